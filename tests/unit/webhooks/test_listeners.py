"""Listeners without a server: what they are told, in which order, and when they are ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from legato.events import CATALOGUE, Event, EventType, Overloaded, RandomIds, SystemClock
from legato.outbound import Outbound
from legato.store.signature import SignatureSecrets
from legato.webhooks import Signer, listeners
from legato.webhooks.listeners import MAX_IN_ALL, MAX_LISTENERS, MAX_WAITING, Listener, Listeners
from legato.webhooks.sender import Sender

FOREVER = 1e12
CID = "CON-00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Delivery:
    """What a log tells."""

    event: Event
    entry: EventType


@pytest.fixture
def everybody() -> Listeners:
    clock, ids = SystemClock(), RandomIds()
    sender = Sender(Outbound(), Signer("abcd1234", SignatureSecrets("s" * 40), ids), clock, time.monotonic)
    return Listeners(sender, clock, ids)


def happened(kind: str, event_id: int | None = None, application_id: str = "shop", **fields: Any) -> Delivery:
    event = Event(
        type=kind,
        body={"text": "smörgåsbord"},
        timestamp="2026-01-01T00:00:00.000Z",
        application_id=application_id,
        id=event_id,
        **fields,
    )
    return Delivery(event, CATALOGUE[kind])


def texts(*ids: int) -> list[Delivery]:
    return [happened("text", each, conversation_id=CID) for each in ids]


async def taken(listener: Listener) -> list[Any]:
    """What is there to be read, up to the end or to the first wait."""
    lines: list[Any] = []
    async for chunk in listener:
        if chunk == listeners.HEARTBEAT:
            break
        lines += [msgspec.json.decode(line) for line in chunk.splitlines()]
    return lines


@pytest.fixture(autouse=True)
def _a_quick_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "HEARTBEAT_SECONDS", 0.001)


async def test_a_listener_hears_its_application_in_the_order_of_the_log_and_signed(everybody: Listeners) -> None:
    listener = everybody.open("shop", FOREVER)
    everybody.hear(texts(1, 2))
    everybody.hear([happened("text", 1, "another", conversation_id=CID), *texts(3)])
    greeting, *heard = await taken(listener)
    assert [each["webhook_id"] for each in heard] == [f"{CID}_{number}" for number in (1, 2, 3)]
    for each in heard:
        body = Webhook(greeting["secret"]).verify(each["body"], each["headers"])
        assert (body["type"], body["body"]) == (each["type"], {"text": "smörgåsbord"})


async def test_signals_and_the_applications_own_stream_are_told_and_what_no_webhook_tells_is_not(
    everybody: Listeners,
) -> None:
    listener = everybody.open("shop", FOREVER)
    silent = next(entry for entry in CATALOGUE if not entry.webhook)
    everybody.hear(
        [
            happened("conversation:created"),
            happened("text:typing:on", conversation_id=CID),
            Delivery(happened("text", conversation_id=CID).event, silent),
        ]
    )
    _, *heard = await taken(listener)
    assert [(each["type"], each["webhook_id"][:4]) for each in heard] == [
        ("conversation:created", "LSN-"),
        ("text:typing:on", "SIG-"),
    ]


async def test_a_quiet_listener_is_shown_that_the_server_is_there(everybody: Listeners) -> None:
    listener = everybody.open("shop", FOREVER)
    await anext(listener)
    assert [await anext(listener), await anext(listener)] == [b"\n", b"\n"]


async def test_who_is_too_far_behind_is_ended_and_told_so(everybody: Listeners) -> None:
    slow, quick = everybody.open("shop", FOREVER), everybody.open("shop", FOREVER)
    everybody.hear(texts(*range(1, MAX_WAITING + 1)))
    assert len(await taken(quick)) == MAX_WAITING + 1
    everybody.hear(texts(MAX_WAITING + 1, MAX_WAITING + 2))
    assert [sorted(each) for each in await taken(slow)] == [["secret"], ["end"]]
    assert [each["webhook_id"] for each in await taken(quick)] == [
        f"{CID}_{number}" for number in (MAX_WAITING + 1, MAX_WAITING + 2)
    ]


async def test_a_server_that_stops_tells_what_waits_and_then_ends_its_listeners(everybody: Listeners) -> None:
    listener = everybody.open("shop", FOREVER)
    everybody.hear(texts(1))
    everybody.close()
    everybody.hear(texts(2))
    assert [*map(sorted, await taken(listener))][1:] == [["body", "headers", "type", "webhook_id"], ["end"]]
    with pytest.raises(StopAsyncIteration):
        await anext(listener)
    with pytest.raises(Overloaded):
        everybody.open("shop", FOREVER)


async def test_a_listener_ends_with_its_token_or_with_its_applications_key(everybody: Listeners) -> None:
    expired, revoked, other = (
        everybody.open(name, until) for name, until in (("a", 1), ("b", FOREVER), ("c", FOREVER))
    )
    everybody.end("b")
    assert (await taken(expired))[-1] == {"end": listeners.EXPIRED}
    assert (await taken(revoked))[-1] == {"end": listeners.NO_LONGER_ALLOWED}
    assert [*map(sorted, await taken(other))] == [["secret"]]


async def test_there_are_few_listeners_and_who_leaves_makes_room(everybody: Listeners) -> None:
    assert not everybody
    mine = [everybody.open("shop", FOREVER) for _ in range(MAX_LISTENERS)]
    with pytest.raises(Overloaded):
        everybody.open("shop", FOREVER)
    for number in range(MAX_IN_ALL - MAX_LISTENERS):
        everybody.open(f"shop {number}", FOREVER)
    with pytest.raises(Overloaded):
        everybody.open("one more", FOREVER)
    await mine[0].aclose()
    await mine[0].aclose()
    everybody.open("shop", FOREVER)


async def test_nobody_listens_once_the_last_has_gone(everybody: Listeners) -> None:
    listener = everybody.open("shop", FOREVER)
    assert everybody
    await listener.aclose()
    assert not everybody


async def test_an_applications_listeners_have_one_secret_and_each_application_its_own(everybody: Listeners) -> None:
    one, same, other = (everybody.open(name, FOREVER) for name in ("shop", "shop", "other"))
    greetings = [await anext(each) for each in (one, same, other)]
    assert greetings[0] == greetings[1] != greetings[2]
