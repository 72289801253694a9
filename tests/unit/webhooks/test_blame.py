"""What is held against an endpoint: what it does itself, as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import and_, select, update
from tests.unit.webhooks.conftest import NOW, House

from legato.store.applications import Application, insert_application
from legato.store.attempts import read_attempts
from legato.store.endpoints import set_callback
from legato.store.schema import events, lanes
from legato.testing.receiver import Received, Receiver
from legato.testing.waiting import PATIENCE_SECONDS


async def test_what_the_old_url_answers_is_not_held_against_the_new_one(house: House) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await may_answer.wait()
        writer.write(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    webhooks = house.webhooks()
    await webhooks.start()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as old:
        cid = await house.conversation(url=f"http://127.0.0.1:{old.sockets[0].getsockname()[1]}/")
        webhooks.changed(cid)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asked.wait()
        with Receiver() as receiver:
            place = {"application_id": house.application, "conversation_id": cid, "callback": {"url": receiver.url}}
            await house.log.transact(partial(set_callback, now=NOW, **place))
            webhooks.changed(cid)
            may_answer.set()
            await asyncio.to_thread(receiver.until, _has(cid, 1), "the new one is told")
            await webhooks.close()
    assert (await house.endpoints(cid))[cid].state == "active"


async def test_nobody_is_blamed_when_this_server_has_no_connection_free(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("legato.webhooks.sender.CONNECT_SECONDS", 0.1)
    webhooks = house.webhooks(connections_per_host=1)
    with Receiver() as receiver:
        receiver.behave("slow", seconds=1.0)
        rtc = {"webhooks": {"event_url": {"address": receiver.url}}}
        application = House(house.log)
        await house.log.transact(
            partial(
                insert_application,
                application=Application(
                    id=application.application, name="y", public_key="p", created_at=1.0, capabilities={"rtc": rtc}
                ),
            )
        )
        made = [await application.conversation() for _ in range(2)]
        await webhooks.start()
        for cid in made:
            await asyncio.to_thread(receiver.until, _has(cid, 1), "it is told")
        await webhooks.close()
    attempts = await house.log.read(partial(read_attempts, endpoint_id=application.application, limit=100))
    assert any("became free" in (each.error or "") for each in attempts)
    assert webhooks.dispatcher.failed == 0


async def test_an_event_that_this_server_cannot_read_is_no_attempt_and_is_sent_once_it_can(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as receiver:
        cid = await house.conversation(url=receiver.url)
        one = and_(events.c.conversation_id == cid, events.c.type == "custom:step")
        readable = await house.log.read(lambda connection: connection.scalar(select(events.c.payload).where(one)))
        await house.log.transact(lambda connection: connection.execute(update(events).where(one).values(payload=b"{")))
        webhooks = house.webhooks()
        await webhooks.start()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(f"a webhook lane of {cid} was interrupted" in each for each in caplog.messages) < 6:
                await asyncio.sleep(0.01)
        mine = select(lanes.c.attempts, lanes.c.failing_since).where(lanes.c.endpoint_id == cid)
        lane = await house.log.read(lambda connection: connection.execute(mine).one())
        await house.log.transact(
            lambda connection: connection.execute(update(events).where(one).values(payload=readable))
        )
        await asyncio.to_thread(receiver.until, _has(cid, 1), "the event is told")
        await webhooks.close()
    assert webhooks.dispatcher.dead == 0
    assert tuple(lane) == (0, None)


def _has(cid: str, count: int) -> Callable[[list[Received]], bool]:
    """Whether so much of a conversation has come."""

    def holds(requests: list[Received]) -> bool:
        return sum(each.id.startswith(cid) for each in requests) >= count

    return holds
