"""Opening the database: one thread that writes, a few that read.

SQLite runs in WAL mode with ``synchronous=FULL``: COMMIT returns after fsync. Everything that is written passes through
one thread, so a transaction never waits for another of this process; readers see the last commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from legato.store.heads import Heads, lock_heads
from legato.store.migrate import upgrade
from legato.store.turn import Behind, take_turn, telling

T = TypeVar("T")

# Readers are for GETs and resumes; the hot path reads memory. Two cores gain nothing from more.
READERS = 4
# Pages between checkpoints: at 4,000 (16 MB) a burst of appends is not interrupted by copying the WAL back.
WAL_AUTOCHECKPOINT = 4000
BUSY_TIMEOUT_MS = 10_000
# A database whose machine is gone without a word is noticed within 10 s.
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# So long a node that stands still, or whose machine is gone, in the middle of a transaction holds up all the others.
_OF_WRITERS = (
    "-c idle_in_transaction_session_timeout=5s -c lock_timeout=15s "
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=2 -c tcp_user_timeout=10000"
)


class Store:
    """The database. ``write`` and ``read`` take a function of a Connection and give its result."""

    def __init__(self, url: str, *, readers: int = READERS) -> None:
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self._writing = _engine(url, pool_size=1)
        self._reading = _engine(url, pool_size=readers, read_only=True)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="legato-write")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="legato-read")
        self._beating: Engine | None = None  # made when it is first needed
        self._beater = ThreadPoolExecutor(1, thread_name_prefix="legato-beat")

    async def open(self) -> None:
        """Brings the schema up to date. Raises what the driver raises when the database cannot be opened."""
        await self._run(self._writer, lambda: upgrade(self._writing))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """``work`` in a transaction of its own, after everybody else's, durable when this returns.

        Whatever it raises undoes all of it. Raises StorageFull when there is no room on the disk, and StoreUnreachable
        when there is no database.
        """
        return await self._run(self._writer, lambda: self._transaction(work))

    async def turn(self, known: Heads, work: Callable[[Connection, Heads], T]) -> T | Behind:
        """The same, if nobody has written anything since the heads were at ``known``.

        Otherwise ``work`` is not done and the transaction stays open: what is new is in the Behind, and so is the way
        to end it, which has to be gone.
        """
        return await self._run(self._writer, lambda: take_turn(self._writing, known, work, self._writer))

    async def glance(self, work: Callable[[Connection], T]) -> T:
        """``work`` on the writing connection, for who writes: nobody else uses that one, and it waits for nobody."""
        return await self._run(self._writer, lambda: self._glance(work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """``work`` on a reading connection: one consistent view of what was committed before it.

        Raises StoreUnreachable.
        """
        return await self._run(self._readers, lambda: self._view(work))

    async def beat(self, work: Callable[[Connection], T]) -> T:
        """``work`` in a transaction that waits for no other writer: a few rows that only this process changes."""
        return await self._run(self._beater, lambda: self._beat(work))

    async def close(self) -> None:
        """Waits for what runs, then lets go of the database."""
        for pool in (self._readers, self._writer, self._beater):
            await asyncio.to_thread(pool.shutdown)
        for engine in (self._reading, self._writing, self._beating):
            if engine is not None:
                engine.dispose()

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        with telling(), self._writing.begin() as connection:
            lock_heads(connection)
            return work(connection)

    def _glance(self, work: Callable[[Connection], T]) -> T:
        with telling(), self._writing.connect() as connection:
            if not self.is_sqlite:  # one view, as SQLite gives: a state is read in two statements
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            return work(connection)

    def _view(self, work: Callable[[Connection], T]) -> T:
        with telling(), self._reading.connect() as connection:
            return work(connection)

    def _beat(self, work: Callable[[Connection], T]) -> T:
        if self._beating is None:
            self._beating = _engine(self.url, pool_size=1)
        with telling(), self._beating.begin() as connection:
            return work(connection)

    @staticmethod
    async def _run(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def _engine(url: str, *, pool_size: int, read_only: bool = False) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        # psycopg 3: what it sends as text and what it prepares needs no tuning here.
        parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=0,
            isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
            pool_pre_ping=read_only,
            hide_parameters=True,
            connect_args=_PATIENCE if read_only else {**_PATIENCE, "options": _OF_WRITERS},
        )
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    # An error names the statement, never what was to be written: that is names, texts and secrets.
    engine = create_engine(parsed, pool_size=pool_size, max_overflow=0, hide_parameters=True)
    event.listen(engine, "connect", lambda raw, _record: _prepare_sqlite(raw, read_only=read_only))
    event.listen(engine, "begin", lambda connection: _begin_sqlite(connection, read_only=read_only))
    return engine


def _prepare_sqlite(raw: Any, *, read_only: bool) -> None:
    connection: sqlite3.Connection = getattr(raw, "driver_connection", raw)
    connection.isolation_level = None  # transactions are begun below, not guessed by the driver
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # promise 1: acknowledged is on the disk
        f"wal_autocheckpoint={WAL_AUTOCHECKPOINT}",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
        "cache_size=-65536",
        "temp_store=MEMORY",
        *(("query_only=ON",) if read_only else ()),
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection, *, read_only: bool) -> None:
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
