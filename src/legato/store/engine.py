"""Opening the database: one thread that writes, a few that read.

SQLite runs in WAL mode with ``synchronous=FULL``: COMMIT returns after fsync. Every write of the product passes through
``Store.write``, so a transaction never waits for another of this process; readers see the last commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError

from legato.store.files import StorageFull
from legato.store.hold import Hold
from legato.store.migrate import upgrade

T = TypeVar("T")

# Readers are for GETs and resumes; the hot path reads memory. Two cores gain nothing from more.
READERS = 4
# Pages between checkpoints: at 4,000 (16 MB) a burst of appends is not interrupted by copying the WAL back.
WAL_AUTOCHECKPOINT = 4000
BUSY_TIMEOUT_MS = 10_000


class Store:
    """The database. ``write`` and ``read`` take a function of a Connection and give its result."""

    def __init__(self, url: str, *, readers: int = READERS, alone: bool = False) -> None:
        """``alone`` is for a server: on PostgreSQL nobody else who says so has the database (``legato.store.hold``)."""
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self._writing = _engine(url, pool_size=1)
        self._hold = Hold(self._writing) if alone and not self.is_sqlite else None
        self._reading = _engine(url, pool_size=readers, read_only=True)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="legato-write")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="legato-read")

    async def open(self) -> None:
        """Brings the schema up to date.

        Raises AnotherServerError, or what the driver raises when the database cannot be opened.
        """
        await self._run(self._writer, lambda: upgrade(self._writing))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """``work`` in a transaction of its own, durable when this returns; whatever it raises undoes all of it.

        Raises StorageFull when there is no room on the disk, AnotherServerError when the database is no longer ours.
        """
        return await self._run(self._writer, lambda: self._transaction(work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """``work`` on a reading connection: one consistent view of what was committed before it."""
        return await self._run(self._readers, lambda: self._view(work))

    async def confirm(self) -> None:
        """Raises AnotherServerError, as a write would, when the database is no longer ours."""
        if self._hold is not None:
            await self.write(lambda connection: connection.exec_driver_sql("SELECT 1").close())

    async def close(self) -> None:
        """Waits for what runs, then lets go of the database."""
        for pool in (self._readers, self._writer):
            await asyncio.to_thread(pool.shutdown)
        self._reading.dispose()
        self._writing.dispose()

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._writing.begin() as connection:
                return work(connection)
        except OperationalError as error:
            if _says_full(error):
                raise StorageFull from error
            raise

    def _view(self, work: Callable[[Connection], T]) -> T:
        with self._reading.connect() as connection:
            return work(connection)

    @staticmethod
    async def _run(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def _says_full(error: OperationalError) -> bool:
    """Whether the store had no room: SQLITE_FULL, or PostgreSQL's disk_full (53100)."""
    return (
        getattr(error.orig, "sqlite_errorname", "") == "SQLITE_FULL" or getattr(error.orig, "sqlstate", "") == "53100"
    )


def _engine(url: str, *, pool_size: int, read_only: bool = False) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        # psycopg 3: what it sends as text and what it prepares needs no tuning here.
        parsed = parsed.set(drivername="postgresql+psycopg")
        level = "REPEATABLE READ" if read_only else "READ COMMITTED"
        return create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=0,
            isolation_level=level,
            pool_pre_ping=read_only,
            hide_parameters=True,
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
