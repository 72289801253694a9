"""PostgreSQL, gone in the middle of a turn: who asked is told so, and the next turn is taken as if nothing had been."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import Connection

from legato.store import Store
from legato.store.heads import ApplicationChanged, Heads, announce, read_heads
from legato.store.turn import Behind, StoreUnreachable
from legato.testing.postgres import Cluster


@pytest.fixture
async def store(postgres: Cluster) -> AsyncIterator[Store]:
    """On PostgreSQL."""
    url = postgres.database()
    store = Store(url)
    await store.open()
    yield store
    await store.close()
    postgres.drop(url)


def _end_connections(store: Store) -> None:
    """Of everybody, as when the server dies."""
    with psycopg.connect(store.url.replace("+psycopg", ""), autocommit=True) as database:
        database.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def _behind(store: Store) -> Behind:
    """The turn of a writer that does not know what another has written."""
    await store.write(lambda connection: announce(connection, ApplicationChanged("an application")))
    turn = await store.turn(Heads(), lambda _connection, held: held)
    assert isinstance(turn, Behind)
    return turn


async def _take_turn(store: Store) -> None:
    known = await store.read(read_heads)
    assert await store.turn(known, lambda _connection, held: held) == known


async def test_a_turn_is_given_up_though_nobody_can_be_told(store: Store) -> None:
    turn = await _behind(store)
    _end_connections(store)
    await turn.abandon()
    await _take_turn(store)


async def test_a_turn_that_cannot_be_finished_says_that_the_database_is_away(store: Store) -> None:
    turn = await _behind(store)
    _end_connections(store)
    with pytest.raises(StoreUnreachable):
        await turn.read(read_heads)
    with pytest.raises(StoreUnreachable):
        await turn.finish(lambda _connection, held: held)
    await turn.abandon()
    await _take_turn(store)


async def test_work_that_fails_of_itself_while_the_database_goes_is_told_what_it_raised(store: Store) -> None:
    known = await store.read(read_heads)

    def fail(_connection: Connection, _held: Heads) -> None:
        _end_connections(store)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.turn(known, fail)
    await _take_turn(store)
