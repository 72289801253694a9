"""A store without room, and one that fails: who asked is told, nothing is lost, and no log says what was to be kept."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
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


async def test_an_error_of_the_store_never_shows_what_was_to_be_written(desk: Desk) -> None:
    statement = text("SELECT nothing WHERE :said = 'x'").bindparams(said="between us")
    for run in (desk.log.store.write, desk.log.store.read):
        with pytest.raises(DatabaseError) as raised:
            await run(lambda connection: connection.execute(statement))
        assert "SELECT nothing" in str(raised.value)
        assert "between us" not in str(raised.value)
