"""When a server is ready, and what is said when it is not."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection

from legato.log import Log
from legato.operations import Health
from legato.operations.probe import Probe
from legato.store import Store
from legato.store.engine import READERS


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[Log]:
    """A running log on an empty database of each store."""
    store = Store(database_url)
    await store.open()
    log = Log(store)
    await log.start()
    yield log
    await log.close()
    await store.close()


async def test_a_server_that_is_well_is_ready(log: Log) -> None:
    assert await Health(log).not_ready() == {}


async def test_a_database_that_does_not_answer_in_time_is_named(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    health = Health(log, read_seconds=0.05)
    answer = threading.Event()
    hanging = [asyncio.create_task(log.read(lambda _connection: answer.wait())) for _ in range(READERS)]
    try:
        with caplog.at_level(logging.INFO, logger="legato.operations.health"):
            for _ in range(3):
                assert await health.not_ready() == {"database": "did not answer within 0.05 s"}
    finally:
        answer.set()
    await asyncio.gather(*hanging)
    with caplog.at_level(logging.INFO, logger="legato.operations.health"):
        while await health.not_ready():
            pass
    said = [record.message for record in caplog.records]
    assert said == ["not ready: the database did not answer within 0.05 s", "ready again"]


async def test_however_many_ask_the_database_is_read_once_at_a_time(log: Log) -> None:
    answer, reads = threading.Event(), []

    def work(_connection: Connection) -> int:
        reads.append(1)
        answer.wait()
        return len(reads)

    probe = Probe(log, work, 10.0)
    asking = [asyncio.create_task(probe.ask()) for _ in range(50)]
    while not reads:
        await asyncio.sleep(0)
    answer.set()
    assert set(await asyncio.gather(*asking)) == {1}
    assert await probe.ask() == 2


async def test_a_database_that_fails_is_named_without_what_its_driver_says(log: Log) -> None:
    await log.store.beat(lambda connection: connection.exec_driver_sql("ALTER TABLE heads RENAME TO headless").close())
    health = Health(log)
    found = await health.not_ready()
    assert set(found) == {"database"}
    assert found["database"].startswith("cannot be read (")
    assert "heads" not in found["database"]
    await log.store.beat(lambda connection: connection.exec_driver_sql("ALTER TABLE headless RENAME TO heads").close())
    assert await health.not_ready() == {}


async def test_a_writer_that_has_ended_is_named(log: Log) -> None:
    await log.close()
    assert await Health(log).not_ready() == {"writer": "does not run"}


async def test_a_server_that_stops_is_not_ready(log: Log) -> None:
    health = Health(log)
    health.is_stopping = True
    assert await health.not_ready() == {"server": "is stopping"}


async def test_a_server_that_begins_to_stop_while_it_is_asked_is_not_ready(log: Log) -> None:
    health = Health(log)
    asking = asyncio.create_task(health.not_ready())
    await asyncio.sleep(0)
    health.is_stopping = True
    assert await asking == {"server": "is stopping"}
