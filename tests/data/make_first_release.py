"""Writes first-release/: databases as the first release left them, and what it answered when asked about them.

::

    legato.db       SQLite, at revision 0001
    legato.sql      PostgreSQL, at revision 0001: what pg_dump says of it, without what only psql understands
    files/          the bytes of media, of both
    facts.json      for each of the two: an application with its key, paths, and the answers to them

Everything is made by that release itself: a server of its commit, run from a git worktree, writes to real databases.
Run it from the repository's root, where PostgreSQL is: ``PYTHONPATH=src python tests/data/make_first_release.py``.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from legato.testing.postgres import Cluster, binaries
from legato.testing.server import Application, Server
from legato.testing.session import Session
from legato.testing.waiting import poll

COMMIT = "ec54186"  # the last one whose schema is at revision 0001
HERE = Path(__file__).parent / "first-release"
PUBLIC_URL = "https://chat.example.com"
WEBHOOK = "http://receiver.invalid/"  # a test puts its own receiver's address there
GENERATIONS = ("beta", "v0.2", "v0.3", "v1")


def ask(server: Server, method: str, path: str, body: Any = None, *, token: str, status: int) -> Any:
    answer = server.request(method, path, body, token=token)
    assert answer.status == status, (path, answer)
    return answer.body


def join(server: Server, application: Application, cid: str, name: str) -> str:
    member = {"user": {"name": name}, "state": "joined", "channel": {"type": "app"}}
    path = f"/v1/conversations/{cid}/members"
    return str(ask(server, "POST", path, member, token=application.token(), status=201)["id"])


def say(server: Server, application: Application, cid: str, name: str, text: str) -> int:
    body = {"type": "text", "body": {"text": text}}
    token = application.token(name)
    return int(ask(server, "POST", f"/v1/conversations/{cid}/events", body, token=token, status=201)["id"])


def upload(server: Server, application: Application, data: bytes) -> str:
    edge = "first-release"
    body = (
        f'--{edge}\r\ncontent-disposition: form-data; name="filedata"; filename="a.txt"\r\n'
        f"content-type: text/plain\r\n\r\n{data.decode()}\r\n--{edge}--\r\n"
    )
    headers = {
        "Authorization": f"Bearer {application.token()}",
        "Content-Type": f"multipart/form-data; boundary={edge}",
    }
    request = urllib.request.Request(f"{server.url}/v3/media", body.encode(), headers)
    with urllib.request.urlopen(request) as reply:
        return str(json.load(reply)["id"])


def conversation(server: Server, application: Application, **fields: Any) -> str:
    return str(ask(server, "POST", "/v1/conversations", fields, token=application.token(), status=201)["id"])


def begin(server: Server) -> tuple[Application, str]:
    """An application, and a conversation that retention is going to cut."""
    webhooks = {"event_url": {"address": f"{WEBHOOK}event", "http_method": "POST"}}
    application = server.application("Shop", rtc={"webhooks": webhooks})
    for name in ("alice", "bob", "carol"):
        server.user(application, name, display_name=name.title())
    old = conversation(server, application, name="old", display_name="Cut")
    for name in ("alice", "bob"):
        join(server, application, old, name)
    for number in range(5):
        say(server, application, old, "alice", f"old {number}")
    return application, old


def first_id(server: Server, application: Application, cid: str) -> int:
    path = f"/v0.3/conversations/{cid}/events?page_size=10&order=asc"
    events = ask(server, "GET", path, token=application.token(), status=200)["_embedded"]["events"]
    return int(events[0]["id"])


async def log_in(server: Server, application: Application) -> None:
    session = await Session(server.url, application.token("alice")).login()
    await session.drop()


def go_on(server: Server, application: Application, old: str) -> dict[str, Any]:
    """Everything else that the first release could do, and what it said of it."""
    callback = {"url": f"{WEBHOOK}callback", "event_mask": "text member:joined", "params": {"applicationId": "x"}}
    fields = {"name": "room", "display_name": "Room", "properties": {"custom_data": {"a": 1}}, "callback": callback}
    room = conversation(server, application, **fields)
    members = {name: join(server, application, room, name) for name in ("alice", "bob", "carol")}
    events = f"/v1/conversations/{room}/events"
    first = say(server, application, room, "alice", "hello – häßlich 🐙")
    gone = say(server, application, room, "bob", "a slip of the pen")
    for kind in ("delivered", "seen"):
        receipt = {"type": f"text:{kind}", "body": {"event_id": first}}
        ask(server, "POST", events, receipt, token=application.token("bob"), status=201)
    ask(server, "DELETE", f"{events}/{gone}", token=application.token("bob"), status=204)
    ask(
        server, "POST", events, {"type": "custom:order", "body": {"n": 7}}, token=application.token("alice"), status=201
    )
    message = {"type": "message", "body": {"message_type": "text", "text": "from a newer client"}}
    ask(server, "POST", events, message, token=application.token("carol"), status=201)
    left = {"state": "left", "reason": {"code": "1", "text": "bye"}}
    carol = f"/v1/conversations/{room}/members/{members['carol']}"
    ask(server, "PATCH", carol, left, token=application.token(), status=200)
    deleted = conversation(server, application, name="deleted")
    ask(server, "DELETE", f"/v1/conversations/{deleted}", token=application.token(), status=204)
    media = upload(server, application, b"bytes of the first release")
    asyncio.run(log_in(server, application))
    paths = ["/v1/users?order=asc", "/v1/conversations?order=asc", f"/v3/media/{media}/info"]
    for cid in (room, old):
        for generation in GENERATIONS:
            paths += [f"/{generation}/conversations/{cid}{rest}" for rest in ("", "/members", "/events?page_size=100")]
    answers = {path: ask(server, "GET", path, token=application.token(), status=200) for path in paths}
    return {
        "application": {"id": application.id, "private_key": application.private_key},
        "room": room,
        "old": old,
        "media": media,
        "answers": answers,
    }


def make(url: str, directory: Path) -> dict[str, Any]:
    settings = {
        "LEGATO_PUBLIC_URL": PUBLIC_URL,
        "LEGATO_DATA_DIR": str(directory / "data"),
        "LEGATO_RETENTION_SECONDS": "0.5",
    }
    with Server(directory, database_url=url, settings=settings) as server:
        application, old = begin(server)
        poll(lambda: first_id(server, application, old) > 1, 200.0, "the log is cut")
    with Server(directory, database_url=url, settings={**settings, "LEGATO_RETENTION_SECONDS": "0"}) as server:
        facts = go_on(server, application, old)
    shutil.copytree(directory / "data/files", HERE / "files", dirs_exist_ok=True)
    return facts


def dump(url: str) -> str:
    """The database in statements that any client can send."""
    command = [str(binaries() / "pg_dump"), "--no-owner", "--no-privileges", "--inserts", url.replace("+psycopg", "")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    theirs = ("-- ", "\\", "SET ", "SELECT pg_catalog.set_config")
    kept = [line for line in text.splitlines() if line not in ("", "--") and not line.startswith(theirs)]
    return "\n".join(kept) + "\n"


def main() -> None:
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        build = Path(scratch) / "build"
        subprocess.run(["git", "worktree", "add", "--detach", str(build), COMMIT], check=True)
        os.environ["PYTHONPATH"] = str(build / "src")
        cluster = Cluster()
        try:
            places = [Path(scratch) / store for store in ("sqlite", "postgresql")]
            for place in places:
                place.mkdir()
            facts = {"sqlite": make(f"sqlite:///{places[0] / 'legato.db'}", places[0])}
            with sqlite3.connect(places[0] / "legato.db") as database:
                database.execute("VACUUM INTO ?", (str(HERE / "legato.db"),))
            url = cluster.database()
            facts["postgresql"] = make(url, places[1])
            (HERE / "legato.sql").write_text(dump(url))
        finally:
            cluster.stop()
            subprocess.run(["git", "worktree", "remove", "--force", str(build)], check=True)
    shutil.rmtree(HERE / "files/incoming", ignore_errors=True)
    (HERE / "facts.json").write_text(json.dumps(facts, separators=(",", ":"), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
