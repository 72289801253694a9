"""One server per PostgreSQL database: whoever has it, loses it, or comes second."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from legato.cli.on_store import OnStore
from legato.config import load
from legato.store import Store
from legato.store.hold import LOCK
from legato.testing.postgres import Cluster
from legato.testing.server import Server
from legato.testing.waiting import poll

SECONDS = 30.0  # to notice and to end, on a busy machine
HOLDER = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND (classid, objid) = (%s, %s)"


@pytest.fixture
def url(postgres: Cluster) -> Iterator[str]:
    """An empty database of PostgreSQL."""
    made = postgres.database()
    yield made
    postgres.drop(made)


@pytest.fixture
def other(url: str) -> Iterator[psycopg.Connection[tuple[int]]]:
    """A connection of somebody else."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def cut(connection: psycopg.Connection[tuple[int]]) -> None:
    """Ends the connection that holds the lock."""
    (pid,) = connection.execute(HOLDER, LOCK).fetchone() or (0,)
    assert connection.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchone() == (True,)


def test_a_second_server_is_told_who_has_the_database(make_server: Callable[..., Server], url: str) -> None:
    first = make_server(database_url=url)
    with pytest.raises(RuntimeError) as ended:
        make_server(database_url=url)
    name = f"legato on {socket.gethostname()[:32]} (process {first.pid})"
    assert f"legato: the database is in use by {name}: several nodes are not supported yet" in str(ended.value)
    assert "Traceback" not in str(ended.value)
    assert first.application().id


def test_a_server_comes_back_after_it_was_killed(make_server: Callable[..., Server], url: str) -> None:
    server = make_server(database_url=url)
    server.kill()
    assert server.restart().application().id


def test_commands_write_beside_a_server(make_server: Callable[..., Server], url: str) -> None:
    server = make_server(database_url=url)
    application = server.application()
    with OnStore.opened(load(database_url=url, data_dir=server.directory / "elsewhere")) as store:
        user_id = store.create_user(application.id, "alice", None)
    found = server.request("GET", f"/v1/users/{user_id}", token=application.token())
    assert (found.status, found.body["name"]) == (200, "alice")


def test_a_server_that_loses_its_connection_takes_the_database_again(
    make_server: Callable[..., Server], url: str, other: psycopg.Connection[tuple[int]]
) -> None:
    server = make_server(database_url=url)
    before = other.execute(HOLDER, LOCK).fetchone()
    cut(other)
    poll(lambda: other.execute(HOLDER, LOCK).fetchone() not in (None, before), SECONDS, "the lock is taken again")
    assert server.application().id


def test_a_server_whose_database_was_taken_ends(
    make_server: Callable[..., Server], url: str, other: psycopg.Connection[tuple[int]]
) -> None:
    server = make_server(database_url=url)
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with (
        psycopg.connect(url.replace("+psycopg", ""), autocommit=True, application_name="legato elsewhere") as next_one,
        ThreadPoolExecutor() as aside,
    ):
        taken = aside.submit(next_one.execute, "SELECT pg_advisory_lock(%s, %s)", LOCK)
        poll(lambda: other.execute(waiting).fetchone() is not None, SECONDS, "somebody waits for the lock")
        cut(other)
        taken.result(SECONDS)
        poll(lambda: _has_ended(server.pid), SECONDS, "the server ends")
    with pytest.raises(RuntimeError, match="ended with 1:") as ended:
        server.stop()
    assert "legato: the database is in use by legato elsewhere" in str(ended.value)


async def test_a_connection_that_postgresql_has_not_missed_yet_keeps_nobody_out(
    url: str, other: psycopg.Connection[tuple[int]]
) -> None:
    store = Store(url, alone=True)
    await store.open()
    lost = store._writing.raw_connection()
    lost.detach()  # as if the network had swallowed it: here it is gone, there it is not
    before = other.execute(HOLDER, LOCK).fetchone()
    await store.confirm()
    assert other.execute(HOLDER, LOCK).fetchone() not in (None, before)
    lost.close()
    await store.close()


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
