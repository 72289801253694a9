"""The fixtures themselves."""

from __future__ import annotations

import socket
import ssl
import threading

import psycopg
import sqlalchemy

from legato.testing.ca import Authority
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
