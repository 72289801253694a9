"""Commands to one node, over each bus."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.unit.bus.conftest import Ear, Wire

from legato.bus import Advanced, Command, LocalBus, NoAnswerError, calls
from legato.bus.outbox import ConnectedBus
from legato.testing.waiting import PATIENCE_SECONDS


class Say(msgspec.Struct, frozen=True):
    """Something to repeat."""

    text: str
    times: int = 1


class Said(msgspec.Struct, frozen=True):
    """It, so many times."""

    text: str


class Counted(msgspec.Struct, frozen=True):
    """What is no ``Said``."""

    count: int


ECHO = Command("test:echo", Say, Said)

Pair = tuple[ConnectedBus, Ear, ConnectedBus, Ear]


async def _repeat(asked: Say) -> Said:
    return Said(asked.text * asked.times)


async def test_a_command_is_done_by_the_node_it_is_for_and_its_answer_comes_back(wire: Wire, pair: Pair) -> None:
    one, first, two, second = pair
    three, third = wire.make("three"), Ear()
    three.start(third)
    await third.until(lambda heard: Advanced() in heard)
    for bus in (two, three):
        bus.calls.handle(ECHO, _repeat)
    texts = [f"é{number}" for number in range(50)]
    answers = await asyncio.gather(*(one.calls.call("two", ECHO, Say(text), PATIENCE_SECONDS) for text in texts))
    assert [answer.text for answer in answers] == texts
    assert {type(each) for ear in (first, second, third) for each in ear.heard} == {Advanced}
    assert three.received <= 2  # that the others are there
    await three.close()


async def test_what_is_asked_and_answered_may_be_long(pair: Pair) -> None:
    one, _first, two, _second = pair
    two.calls.handle(ECHO, _repeat)
    said = await one.calls.call("two", ECHO, Say("é" * 10_000, times=10), PATIENCE_SECONDS)
    assert said.text == "é" * 100_000


async def test_who_asks_a_node_that_is_not_there_is_told_in_time(pair: Pair) -> None:
    one, _first, _two, _second = pair
    with pytest.raises(NoAnswerError, match=r"has not answered test:echo within 0.1 s"):
        await one.calls.call("nobody", ECHO, Say("x"), 0.1)


async def test_a_node_that_cannot_do_it_says_so(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    one, _first, two, _second = pair

    async def fail(_asked: Say) -> Said:
        raise ZeroDivisionError("a secret")

    with pytest.raises(NoAnswerError, match=r"does not know 'test:echo'"):
        await one.calls.call("two", ECHO, Say("x"), PATIENCE_SECONDS)
    two.calls.handle(ECHO, fail)
    with pytest.raises(NoAnswerError, match=r"^the node could not do it \(ZeroDivisionError\)$"):
        await one.calls.call("two", ECHO, Say("x"), PATIENCE_SECONDS)
    assert "could not be done" in caplog.text


async def test_a_node_of_another_version_is_not_misunderstood(pair: Pair) -> None:
    one, _first, two, _second = pair
    two.calls.handle(ECHO, _repeat)
    with pytest.raises(NoAnswerError, match=r"is none"):
        await one.calls.call("two", Command("test:echo", Say, Counted), Say("x"), PATIENCE_SECONDS)
    with pytest.raises(NoAnswerError, match=r"could not do it \(ValidationError\)"):
        await one.calls.call("two", Command("test:echo", Counted, Said), Counted(1), PATIENCE_SECONDS)


async def test_calls_under_way_are_bounded_at_both_ends(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _first, two, _second = pair
    monkeypatch.setattr(calls, "MAX_CALLS", 3)
    begun: list[str] = []
    may_end = asyncio.Event()

    async def wait(asked: Say) -> Said:
        begun.append(asked.text)
        await may_end.wait()
        return Said(asked.text)

    two.calls.handle(ECHO, wait)
    waiting = [asyncio.ensure_future(one.calls.call("two", ECHO, Say(str(number)), 60)) for number in range(3)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(begun) < 3:
            await asyncio.sleep(0.01)
    with pytest.raises(NoAnswerError, match=r"3 calls to other nodes are under way"):
        await one.calls.call("two", ECHO, Say("x"), PATIENCE_SECONDS)
    monkeypatch.setattr(calls, "MAX_CALLS", 4)  # here; there are three, and room for one more
    fourth = asyncio.ensure_future(one.calls.call("two", ECHO, Say("3"), 60))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(begun) < 4:
            await asyncio.sleep(0.01)
    may_end.set()
    assert [(await each).text for each in [*waiting, fourth]] == ["0", "1", "2", "3"]


async def test_without_a_bus_nobody_can_be_asked_and_nobody_waits_for_it() -> None:
    bus = LocalBus()
    with pytest.raises(NoAnswerError, match=r"the bus is not there"):
        await bus.calls.call("two", ECHO, Say("x"), 3600)
    await bus.close()


async def test_an_answer_that_comes_too_late_is_nobodys(pair: Pair) -> None:
    one, _first, two, _second = pair
    may_end = asyncio.Event()

    async def wait(asked: Say) -> Said:
        await may_end.wait()
        return Said(asked.text)

    two.calls.handle(ECHO, wait)
    with pytest.raises(NoAnswerError, match=r"within"):
        await one.calls.call("two", ECHO, Say("late"), 0.1)
    two.calls.handle(ECHO, _repeat)
    may_end.set()
    assert (await one.calls.call("two", ECHO, Say("now"), PATIENCE_SECONDS)).text == "now"
