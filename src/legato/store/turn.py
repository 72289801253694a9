"""A writer's turn: the one transaction in which it learns what others have written, and writes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, PendingRollbackError

from legato.events.refusal import Refusal
from legato.store.files import StorageFull
from legato.store.heads import Heads, News, lock_heads, read_news

T = TypeVar("T")

# How PostgreSQL ends a connection: 08 (its own), 57P (an operator: shutting down, starting up), 25P03 (idle too long);
# and a transaction: 55P03 (a lock was not to be had in time), 40 (another transaction was in the way).
_AWAY: Final = ("08", "57P", "25P03", "55P03", "40")


class StoreUnreachable(Refusal):
    """PostgreSQL cannot be connected to, or has ended the connection: what was asked for may have happened."""

    status = 503
    retry_after = 2.0

    def __init__(self) -> None:
        super().__init__(
            "system:error:database-unreachable",
            "The database does not answer. Whether this has happened is not known; try again in a moment.",
        )


class UndoneError(Exception):
    """SQLite has taken back the whole transaction, savepoints or not: no room, no memory, or a disk that fails."""


def is_undone(connection: Connection) -> bool:
    """Whether there is no transaction any more, though nobody has ended it; what is written next would be kept alone.

    PostgreSQL refuses everything then, so that nobody need ask. Source: SQLite, "Response To Errors Within A
    Transaction".
    """
    driver = connection.connection.driver_connection
    return isinstance(driver, sqlite3.Connection) and not driver.in_transaction


class Behind:
    """A turn whose owner does not know what others have written: it stays open until ``finish`` or ``abandon``.

    All other writers wait for it meanwhile.
    """

    def __init__(self, connection: Connection, held: Heads, news: News, thread: ThreadPoolExecutor) -> None:
        """``thread`` is the writer's."""
        self.news = news
        self._held = held
        self._connection = connection
        self._thread = thread

    async def read(self, work: Callable[[Connection], T]) -> T:
        """``work`` within the transaction."""

        def look() -> T:
            with telling():
                return work(self._connection)

        return await self._run(look)

    async def finish(self, work: Callable[[Connection, Heads], T]) -> T:
        """``work`` and the commit; whatever it raises undoes everything and ends the turn."""

        def last() -> T:
            try:
                with telling():
                    result = work(self._connection, self._held)
                    _commit(self._connection)
                    return result
            finally:
                _end(self._connection)

        return await self._run(last)

    async def abandon(self) -> None:
        """Ends the turn; nothing was written. Nothing happens when it has ended."""
        await self._run(partial(_end, self._connection))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def take_turn(
    engine: Engine, known: Heads, work: Callable[[Connection, Heads], T], thread: ThreadPoolExecutor
) -> T | Behind:
    """``work`` and its commit if the heads are at ``known``; else the open turn. In the writer's ``thread``."""
    with telling():
        connection = engine.connect()
    try:
        with telling():
            held = lock_heads(connection)
            if held == known:
                result = work(connection, held)
                _commit(connection)
                _end(connection)
                return result
            return Behind(connection, held, read_news(connection, known, held), thread)
    except BaseException:
        _end(connection)
        raise


def _end(connection: Connection) -> None:
    """Undoes what was not committed. Where that cannot be said any more, the database does it by itself."""
    with contextlib.suppress(DBAPIError):
        connection.close()


def _commit(connection: Connection) -> None:
    if is_undone(connection):
        raise UndoneError
    connection.commit()


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Raises StorageFull and StoreUnreachable where that is what an error of the driver's means."""
    try:
        yield
    except DBAPIError as error:
        name, state = getattr(error.orig, "sqlite_errorname", ""), getattr(error.orig, "sqlstate", "")
        if name == "SQLITE_FULL" or state == "53100":  # disk_full
            raise StorageFull from error
        # psycopg has no state when nobody has answered, or the answer breaks off.
        broken = state is None and isinstance(error, OperationalError | InterfaceError | InternalError)
        if broken or error.connection_invalidated or (state is not None and state.startswith(_AWAY)):
            raise StoreUnreachable from error
        raise
    except UndoneError as error:
        if any(getattr(getattr(each, "orig", None), "sqlite_errorname", "") == "SQLITE_FULL" for each in _chain(error)):
            raise StorageFull from error
        raise
    except PendingRollbackError as error:  # the connection ended in a piece of work, which has the first error
        raise StoreUnreachable from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
