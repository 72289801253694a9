"""Databases of the first release under this build, and databases of a newer one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
import pytest
from sqlalchemy import create_engine

from legato.store.migrate import revision
from legato.testing.postgres import Cluster
from legato.testing.receiver import Receiver
from legato.testing.server import Application, Server
from legato.testing.session import Session

FIRST: Final = Path(__file__).parents[1] / "data/first-release"
FACTS: Final = msgspec.json.decode((FIRST / "facts.json").read_bytes())
PUBLIC_URL: Final = "https://chat.example.com"
WEBHOOK: Final = "http://receiver.invalid/"
SETTINGS: Final = {"LEGATO_PUBLIC_URL": PUBLIC_URL, "LEGATO_DANGEROUS_ALLOW_PRIVATE_ADDRESSES": "true"}
OWN_ADDRESS: Final = (
    "UPDATE applications SET capabilities = replace(capabilities, '{0}', '{1}')",
    "UPDATE conversations SET callback = replace(callback, '{0}', '{1}')",
)


@dataclass(frozen=True)
class Old:
    """An installation that the first release left."""

    data: Path
    url: str
    application: Application
    room: str
    cut: str
    media: str
    answers: dict[str, Any]

    def server(self, make_server: Callable[..., Server]) -> Server:
        return make_server(database_url=self.url, settings={**SETTINGS, "LEGATO_DATA_DIR": str(self.data)})


def changed(url: str, *statements: str) -> None:
    """The database, after these statements."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.partition("///")[2]) as database:
            for statement in statements:
                database.execute(statement)
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def revision_of(url: str) -> tuple[str | None, str | None]:
    engine = create_engine(url)
    found = revision(engine)
    engine.dispose()
    return found


@pytest.fixture
def receiver() -> Any:
    with Receiver() as running:
        yield running


@pytest.fixture
def old(store: str, tmp_path: Path, receiver: Receiver, request: pytest.FixtureRequest) -> Old:
    """On each store; its webhooks go to ``receiver``."""
    data = tmp_path / "data"
    shutil.copytree(FIRST / "files", data / "files")
    if store == "sqlite":
        shutil.copy(FIRST / "legato.db", data)
        url = f"sqlite:///{data / 'legato.db'}"
    else:
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.database()
        changed(url, (FIRST / "legato.sql").read_text())
    assert revision_of(url)[0] == "0001"
    changed(url, *(statement.format(WEBHOOK, f"{receiver.url}/") for statement in OWN_ADDRESS))
    facts = FACTS[store]
    answers = msgspec.json.encode(facts["answers"]).replace(WEBHOOK.encode(), f"{receiver.url}/".encode())
    application = Application(facts["application"]["id"], facts["application"]["private_key"])
    return Old(data, url, application, facts["room"], facts["old"], facts["media"], msgspec.json.decode(answers))


async def test_a_database_of_the_first_release_is_migrated_and_serves_what_it_served(
    old: Old, receiver: Receiver, make_server: Callable[..., Server]
) -> None:
    server = old.server(make_server)
    token = old.application.token()
    current, newest = revision_of(old.url)
    assert current == newest != "0001"
    for path, answer in old.answers.items():
        assert server.request("GET", path, token=token).body == answer, path
    assert server.request("GET", f"/v3/media/{old.media}", token=token).body == b"bytes of the first release"

    session = await Session(server.url, old.application.token("bob")).login()
    for cid in (old.room, old.cut):
        last = server.history(old.application, cid)[-1]["id"] if cid == old.room else None
        said = server.request(
            "POST",
            f"/v1/conversations/{cid}/events",
            {"type": "text", "body": {"text": "and on"}},
            token=old.application.token("alice"),
        )
        assert said.status == 201, said
        if last is not None:
            assert said.body["id"] == last + 1
        heard = await session.hears("text", lambda event, cid=cid: event.cid == cid)
        assert heard.id == said.body["id"]
    await session.close()

    def told(requests: list[Any]) -> list[tuple[str, str]]:
        texts = [one for one in requests if one.event["type"] == "text"]
        return sorted((one.path.rpartition("/")[2], one.event["conversation_id"]) for one in texts)

    expected = sorted([("event", old.room), ("event", old.cut), ("callback", old.room)])
    requests = receiver.until(lambda found: len(told(found)) >= len(expected), "webhooks come")
    assert told(requests) == expected
    assert {one.event["body"]["text"] for one in requests if one.event["type"] == "text"} == {"and on"}
    endpoint = server.request("GET", f"/v1/webhooks/{old.application.id}", token=token)
    assert endpoint.body["url"] == f"{receiver.url}/event"
    server.stop()


def test_a_database_of_a_newer_release_is_refused_and_left_as_it_is(
    old: Old, make_server: Callable[..., Server]
) -> None:
    server = old.server(make_server)
    server.stop()
    changed(old.url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RuntimeError, match="at revision 9999, which this build does not know: use a newer Legato"):
        old.server(make_server)
    assert revision_of(old.url)[0] == "9999"
    for command in ("doctor", "db upgrade", "backup ."):
        ran = subprocess.run(
            [sys.executable, "-m", "legato", *command.split()],
            env={**os.environ, "LEGATO_DATA_DIR": str(old.data), "LEGATO_DATABASE_URL": old.url},
            cwd=old.data,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 1
        assert "revision 9999" in ran.stdout + ran.stderr
        assert "newer Legato" in ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
