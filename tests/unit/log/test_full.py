"""A store without room, and one that fails: who asked is told, nothing is lost, and no log says what was to be kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

from legato.log import Log
from legato.store import Store
from legato.store.files import StorageFull

from .conftest import APPLICATION, Desk, MovedClock


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Desk]:
    """A log on a SQLite file that may grow by a few pages."""
    store = Store(f"sqlite:///{tmp_path / 'legato.db'}")
    await store.open()
    desk = Desk(Log(store, clock=MovedClock()), MovedClock())
    desk.log.tap(desk.heard.extend)
    await desk.log.start()
    yield desk
    await desk.log.close()
    await store.close()


async def execute(desk: Desk, statement: str) -> None:
    """On the writing connection."""
    await desk.log.store.write(lambda connection: connection.exec_driver_sql(statement).close())


async def _count(desk: Desk, table: str) -> int:
    """Rows that are there."""
    count = f"SELECT count(*) FROM {table}"
    return await desk.log.read(lambda connection: int(connection.exec_driver_sql(count).scalar_one()))


async def test_a_full_disk_is_told_and_what_was_acknowledged_stays(
    small: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    ada = small.person("ada")
    cid = await small.conversation()
    await small.join(cid, ada)
    pages = await small.log.store.write(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    await execute(small, f"PRAGMA max_page_count = {pages + 3}")
    kept = 1

    async def fill() -> None:
        nonlocal kept
        while True:
            kept = (await small.post(cid, ada, "text", {"text": "between us " * 200})).conversation.sequence

    with pytest.raises(StorageFull), caplog.at_level(logging.INFO):
        await fill()
    assert "between us" not in caplog.text
    assert (await small.log.conversation(cid, APPLICATION)).sequence == kept
    await execute(small, "PRAGMA max_page_count = 100000")
    assert (await small.post(cid, ada, "text", {"text": "again"})).conversation.sequence == kept + 1
    assert [delivery.event.id for delivery in small.heard if delivery.event.id] == list(range(1, kept + 2))


async def test_a_piece_of_work_for_which_there_is_no_room_takes_nothing_along_that_was_acknowledged(
    small: Desk,
) -> None:
    ada = small.person("ada")
    cid = await small.conversation()
    await small.join(cid, ada)
    await execute(small, "CREATE TABLE fillers (content BLOB)")
    pages = await small.log.store.write(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    await execute(small, f"PRAGMA max_page_count = {pages + 20}")

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO fillers VALUES (zeroblob(1000000))")

    def keep(connection: Connection) -> str:
        connection.exec_driver_sql("INSERT INTO fillers VALUES ('kept')")
        return "kept"

    outcomes = await asyncio.gather(  # in one batch
        small.post(cid, ada, "text", {"text": "hello"}),
        small.log.transact(fill),
        small.log.transact(keep),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} == {StorageFull}  # SQLite has taken back the whole batch
    assert await _count(small, "fillers") == 0
    before = (await small.log.conversation(cid, APPLICATION)).sequence
    assert await _count(small, "events") == before == sum(bool(each.event.id) for each in small.heard)
    assert await small.log.transact(keep) == "kept"
    assert (await small.post(cid, ada, "text", {"text": "again"})).conversation.sequence == before + 1
    assert await _count(small, "events") == before + 1
    assert await _count(small, "fillers") == 1


async def test_an_error_of_the_store_never_shows_what_was_to_be_written(desk: Desk) -> None:
    statement = text("SELECT nothing WHERE :said = 'x'").bindparams(said="between us")
    for run in (desk.log.store.write, desk.log.store.read):
        with pytest.raises(DatabaseError) as raised:
            await run(lambda connection: connection.execute(statement))
        assert "SELECT nothing" in str(raised.value)
        assert "between us" not in str(raised.value)
