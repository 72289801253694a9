"""The fixtures themselves."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain
from types import SimpleNamespace

import psycopg
import pytest
import sqlalchemy

from legato.store.migrate import revision
from legato.store.schema import counters
from legato.testing import ports
from legato.testing.ca import Authority
from legato.testing.ports import free_port
from legato.testing.postgres import Cluster


def test_a_database_of_each_store_takes_a_table(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE note (line TEXT)"))
        connection.execute(sqlalchemy.text("INSERT INTO note VALUES ('kept')"))
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT line FROM note")).scalar_one() == "kept"
    engine.dispose()


def test_a_durable_postgresql_waits_for_the_disk(durable_postgres: Cluster) -> None:
    with psycopg.connect(f"host=127.0.0.1 port={durable_postgres.port} user=postgres dbname=postgres") as connection:
        settings = [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]
    assert settings == [("on",), ("on",)]


def test_a_certificate_of_the_authority_is_trusted_by_who_trusts_the_authority(authority: Authority) -> None:
    identity = authority.issue("127.0.0.1", "localhost")
    speaking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    speaking.load_cert_chain(identity.certificate, identity.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            plain, _ = listening.accept()
            with speaking.wrap_socket(plain, server_side=True) as secured:
                secured.sendall(b"hello")

        thread = threading.Thread(target=answer)
        thread.start()
        trust = ssl.create_default_context(cafile=str(authority.certificate))
        with (
            socket.create_connection(listening.getsockname()) as plain,
            trust.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            assert secured.recv(5) == b"hello"
        thread.join()


def test_a_port_is_given_to_one_process_only() -> None:
    mine = {free_port() for _ in range(50)}
    asked = "from legato.testing.ports import free_port; print(*(free_port() for _ in range(50)), flush=True); input()"
    others: list[set[int]] = []
    with ExitStack() as stack:
        for _ in range(3):
            command = [sys.executable, "-c", asked]
            process = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            assert process.stdin is not None
            assert process.stdout is not None
            stack.callback(process.stdin.close)
            others.append({int(port) for port in process.stdout.readline().split()})
    assert len(mine.union(*others)) == 200


def test_a_port_that_somebody_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]
        drawn = chain([taken], range(ports.FIRST, ports.LAST))
        monkeypatch.setattr(ports, "_chance", SimpleNamespace(randrange=lambda *_: next(drawn)))
        assert ports.FIRST <= free_port() < ports.LAST


def test_a_database_that_is_asked_for_again_has_the_newest_schema_and_none_of_the_rows(
    new_database_url: Callable[[], str],
) -> None:
    def rows(url: str) -> int:
        engine = sqlalchemy.create_engine(url)
        assert len(set(revision(engine))) == 1
        with engine.begin() as connection:
            connection.execute(sqlalchemy.insert(counters).values(name="one", value=1))
            found = connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(counters)).scalar_one()
        engine.dispose()
        return int(found)

    assert rows(new_database_url()) == rows(new_database_url())
