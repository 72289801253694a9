"""How SQLite finds rows: by their keys, in every table that grows with use."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event

from legato.conversations import Caller, PostEvent
from legato.log import IdempotencyKey, Log
from legato.store import Store
from legato.store.applications import purge_orphans
from legato.store.users import find_users_by_name

from .conftest import APPLICATION, Desk, MovedClock

GROWING = ("events", "receipts", "users", "members", "conversations", "idempotency", "sessions", "devices", "media")


class Statements:
    """Every statement that was executed, each once, with parameters it was executed with."""

    def __init__(self, store: Store) -> None:
        self.seen: dict[str, Any] = {}
        for engine in (store._writing, store._reading):
            event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, is_many: bool) -> None:
        self.seen.setdefault(statement, parameters[0] if is_many else parameters)

    def scans(self, connection: Connection) -> list[str]:
        """Statements for which SQLite walks through a whole table that grows."""
        found = []
        for statement, parameters in list(self.seen.items()):
            if statement.split()[0] in ("SELECT", "UPDATE", "DELETE"):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                scanned = [re.match(r"SCAN (\w+)(?! USING)", row[3]) for row in plan]
                found += [statement for match in scanned if match and match[1] in GROWING]
        return found


async def test_the_way_of_an_event_scans_no_table_that_grows(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'legato.db'}")
    await store.open()
    statements = Statements(store)
    clock = MovedClock()
    first = Log(store, clock=clock)
    await first.start()
    desk = Desk(first, clock)
    ada, ben = desk.person("ada"), desk.person("ben")
    places = [await desk.conversation() for _ in range(2)]
    members = [(cid, await desk.join(cid, ada), await desk.join(cid, ben)) for cid in places]
    texts = [(cid, await desk.post(cid, ada, "text", {"text": "x"}), mine) for cid, _, mine in members]
    await first.close()

    # One that remembers nothing: what it is told of has to be found in the database.
    later = Desk(Log(store, clock=clock), clock)
    await later.log.start()
    await asyncio.gather(
        *(later.post(cid, ben, "text:seen", {"event_id": text.event.id}, from_=mine.id) for cid, text, mine in texts),
        *(
            later.log.submit(
                PostEvent(conversation_id=places[0], by=Caller(APPLICATION, ben), type="text", body={"text": key}),
                key=IdempotencyKey(APPLICATION, key, key),
            )
            for key in ("one", "two")
        ),
    )
    await later.log.read(lambda c: find_users_by_name(c, [(APPLICATION, "ada"), (APPLICATION, "ben")]))
    await later.log.transact(purge_orphans)
    await later.log.close()

    assert await store.read(statements.scans) == []
    await store.close()
