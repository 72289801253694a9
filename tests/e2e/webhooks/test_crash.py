"""``kill -9`` of server, receiver and database under load: every event arrives, in order, and no lane is stuck."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from legato.testing.postgres import Cluster, MissingPeerError
from legato.testing.receiver import Receiver
from legato.testing.server import Application, Server
from tests.conftest import missing
from tests.e2e.load import Room, Writers, check_log

from .conftest import SOON

CRASHES = int(os.environ.get("LEGATO_CRASHES", "4"))
NAMES = ["ada", "ben"]


@pytest.mark.crash
async def test_every_event_arrives_in_order_over_crashes_of_server_and_receiver(
    durable_database_url: str, make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(database_url=durable_database_url, settings=SOON)
    chance = random.Random(5)
    with Receiver(tmp_path / "journal") as receiver:
        application, rooms = people(server, receiver)
        async with Writers(server, application, rooms) as writers:
            for crash in range(CRASHES):
                await writers.more(chance.randrange(50, 200))
                if crash % 2:
                    receiver.kill()
                    await writers.more(chance.randrange(20, 60))
                    await asyncio.to_thread(receiver.start)
                else:
                    await writers.crash()
            await writers.more(50)
        await check_told(receiver, writers, rooms)


@pytest.mark.crash
async def test_a_server_outlives_its_database_and_every_event_arrives_in_order(
    mortal_postgres: Cluster, make_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = make_server(database_url=mortal_postgres.database(), settings=SOON)
    chance = random.Random(6)
    with Receiver(tmp_path / "journal") as receiver:
        application, rooms = people(server, receiver)
        async with Writers(server, application, rooms) as writers:
            for _ in range(CRASHES):
                await writers.more(chance.randrange(50, 200))
                await writers.outage(mortal_postgres)
            await writers.more(50)
        assert writers.turned_away
        assert not writers.refused, server.internal_errors()
        await check_told(receiver, writers, rooms)


@pytest.fixture
def mortal_postgres() -> Iterator[Cluster]:
    """A durable PostgreSQL of one test's own, to be killed."""
    try:
        cluster = Cluster(durable=True)
    except MissingPeerError as error:
        missing(str(error))
        raise
    yield cluster
    cluster.stop()


def people(server: Server, receiver: Receiver) -> tuple[Application, list[Room]]:
    """An application that tells the receiver, and conversations of its users."""
    application = server.application(rtc={"webhooks": {"event_url": {"address": receiver.url}}})
    for name in NAMES:
        server.user(application, name)
    return application, [Room.make(server, application, NAMES) for _ in range(4)]


async def check_told(receiver: Receiver, writers: Writers, rooms: list[Room]) -> None:
    """Waits until every room is told to its end: at least once. After a crash an event may come again, but none for the
    first time after a later one.
    """
    for room in rooms:
        log = check_log(writers, room)
        await asyncio.to_thread(receiver.until_told, [f"{room.cid}_{event['id']}" for event in log])
        told = [each.event["id"] for each in receiver.requests() if each.event.get("conversation_id") == room.cid]
        assert list(dict.fromkeys(told)) == [event["id"] for event in log]
