"""What nodes say to each other over each bus, and what becomes of it when the bus is away."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.unit.bus.conftest import SECONDS, Ear, Wire

from legato.bus import Advanced, Appended, LocalBus, Message, Passed, PostgresBus
from legato.bus.messages import Answered, Asked, advanced, appended, read, written
from legato.bus.nats import NatsBus
from legato.bus.outbox import MAX_APPENDED, MAX_WAITING, ConnectedBus
from legato.bus.postgres import CHANNEL, MAX_NOTICE
from legato.events import Event
from legato.events.envelope import encode_event
from legato.store.heads import Heads
from legato.testing.waiting import poll


def signal(text: str) -> Passed:
    """Something that passes."""
    body = {"text": text}
    return Passed(7, Event(type="ephemeral", application_id="app", timestamp="now", body=body), to_members=True)


async def test_what_one_says_the_other_hears_in_order_and_itself_not(
    pair: tuple[ConnectedBus, Ear, ConnectedBus, Ear],
) -> None:
    one, first, two, second = pair
    await asyncio.to_thread(poll, lambda: one.sent == 1, SECONDS, "it has said that it is there")
    for number in range(200):
        one.publish(signal(str(number)))
    await second.until(lambda _: len(second.signals()) == 200)
    assert second.signals() == [str(number) for number in range(200)]
    two.publish(Advanced(4711))
    await first.until(lambda heard: Advanced(4711) in heard)
    assert not first.signals()
    assert one.sent == 201
    assert two.received in (200, 201)  # whoever came first has told nobody that it is there


async def test_of_heads_that_wait_only_the_last_is_said(pair: tuple[ConnectedBus, Ear, ConnectedBus, Ear]) -> None:
    one, _first, _two, second = pair
    for number in range(1, 101):
        one.publish(Advanced(number))
    heard = await second.until(lambda heard: Advanced(100) in heard)
    assert len(heard) < 100


async def test_what_is_too_long_for_one_notice_is_heard_whole(
    pair: tuple[ConnectedBus, Ear, ConnectedBus, Ear],
) -> None:
    one, _first, _two, second = pair
    texts = ["before", "é" * 100_000, "after"]
    for text in texts:
        one.publish(signal(text))
    await second.until(lambda _: len(second.signals()) == 3)
    assert second.signals() == texts


async def test_a_bus_that_was_lost_comes_back_and_says_so(
    wire: Wire, pair: tuple[ConnectedBus, Ear, ConnectedBus, Ear]
) -> None:
    one, _first, two, second = pair

    async def have_said(count: int) -> None:
        """Each says that it is there whenever it has connected."""
        await asyncio.to_thread(poll, lambda: one.sent == two.sent == count, SECONDS, f"said {count} times")

    await have_said(1)
    await wire.cut()
    await have_said(2)
    one.publish(signal("again"))
    await second.until(lambda _: second.signals() == ["again"])


async def test_a_node_without_a_bus_keeps_nothing_for_later() -> None:
    bus = NatsBus("nats://127.0.0.1:1", "one", "installation")
    bus.start(Ear())
    bus.publish(signal("late"))
    bus.publish(Appended(Heads(1, 0), (signal("x").event,)))
    assert bus.dropped == 2
    assert not bus.is_connected
    await bus.close()


async def test_what_waits_for_a_slow_bus_is_bounded(pair: tuple[ConnectedBus, Ear, ConnectedBus, Ear]) -> None:
    one, _first, _two, second = pair
    for number in range(MAX_APPENDED + 10):  # in one go: nobody can have said any of it
        one.publish(Appended(Heads(number, 0), (signal("x").event,)))
    heard = await second.until(lambda heard: Advanced(MAX_APPENDED + 10) in heard)
    assert sum(isinstance(each, Appended) for each in heard) == MAX_APPENDED
    for number in range(MAX_WAITING + 10):
        one.publish(signal(str(number)))
    assert one.dropped == 10
    await second.until(lambda _: len(second.signals()) == MAX_WAITING)


async def test_a_node_that_is_alone_tells_nobody() -> None:
    bus, ear = LocalBus(), Ear()
    bus.start(ear)
    bus.publish(Advanced(1))
    await bus.close()
    assert bus.is_connected
    assert not ear.heard


@pytest.mark.parametrize(
    "message",
    [
        Advanced(),
        Advanced(4711),
        Appended(Heads(4711, 12), (signal("text").event, signal("x").event)),
        signal("text"),
        Passed(1, signal("x").event, session_id="SES-1"),
        Asked("two", 1, "say", msgspec.Raw(b'{"text":"a b"}'), by="one"),
        Answered("two", 1, msgspec.Raw(b'{"text":"a b"}')),
        Answered("two", 1, refusal="it is closed"),
    ],
)
def test_a_message_reads_as_it_was_written(message: Message) -> None:
    assert read("two", written("one", message)) == message
    assert read("one", written("one", message)) is None
    if isinstance(message, Asked | Answered):
        assert read("three", written("one", message)) is None


def test_a_commit_says_the_same_as_a_message() -> None:
    assert read("two", advanced("one", 12)) == Advanced(12)
    events = tuple(signal(text).event for text in ("é", "\0 [],"))
    said = read("two", appended("one", Heads(12, 3), [encode_event(event) for event in events]))
    assert said == Appended(Heads(12, 3), events)
    assert said.commit == 14
    channel, text = PostgresBus("postgresql://", "one").notice(Heads(12, 3), [encode_event(event) for event in events])
    assert (channel, read("two", text)) == (CHANNEL, said)


async def test_of_a_commit_too_long_to_say_it_is_said_that_it_is_there(
    pair: tuple[ConnectedBus, Ear, ConnectedBus, Ear],
) -> None:
    one, _first, _two, second = pair
    event = signal("é" * one.longest).event
    one.publish(Appended(Heads(12, 3), (event, event)))
    await second.until(lambda heard: Advanced(14) in heard)
    if one.notice is not None:
        for length in (MAX_NOTICE // 2, MAX_NOTICE // 2 - 45):
            _channel, text = one.notice(Heads(12, 3), [encode_event(signal("é" * length).event)])
            assert read("two", text) == Advanced(13)


@pytest.mark.parametrize(
    "text",
    [
        "one x 1",
        "one h many",
        "one e 1 2",
        "one e 1 2 {}",
        "one s {",
        "",
        "one",
        "one s {}",
        "one q two {}",
        "one a two x",
    ],
)
def test_what_no_node_says_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read("two", text)
