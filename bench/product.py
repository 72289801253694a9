"""Legato under test: a world of people and conversations made once over REST, then served as often as wanted.

The world is 100 conversations of 100 joined members, each with a user and a token of its own: 10,000 sessions. Rows
that need fewer take the first conversations. Every run begins with a copy of the world's data directory, so that no row
inherits another's log.
"""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from bench.fleet import BUILD, Session
from bench.machine import SERVER_CORE
from bench.process import family, memory_mb
from legato.testing.server import Application, Server

T = TypeVar("T")
R = TypeVar("R")

CONVERSATIONS: Final = 100
MEMBERS: Final = 100
# Kept in time of the first request in a run: the one-sender row is one user's 350 requests a second, where the default
# limit of a user is 200. The limits stay on and are checked for every request.
SETTINGS: Final = {
    "LEGATO_USER_RATE": "5000",
    "LEGATO_USER_BURST": "10000",
    "LEGATO_APPLICATION_RATE": "100000",
    "LEGATO_APPLICATION_BURST": "100000",
    # The receiver of webhooks is on this machine.
    "LEGATO_DANGEROUS_ALLOW_PRIVATE_ADDRESSES": "true",
}
WORLD: Final = BUILD / "world"
SETUP_CONNECTIONS: Final = 8
TOKEN_LIFE_S: Final = 12 * 3600


class Product:
    """A Legato that runs on its core."""

    def __init__(self, directory: Path, *, database_url: str | None = None, more: Mapping[str, str] | None = None):
        settings = {**SETTINGS, "LEGATO_DATA_DIR": str(directory), **(more or {})}
        core = ("taskset", "-c", str(SERVER_CORE))
        self._server = Server(directory, database_url=database_url, settings=settings, before=core)
        self.port = self._server.port
        self.url = self._server.url

    @property
    def pids(self) -> list[int]:
        """The server's process; writer and readers are its threads."""
        return family(self._server.pid)

    def memory_mb(self) -> float:
        """Resident memory."""
        return memory_mb(self.pids)

    def start(self) -> None:
        """Starts it, also again; returns when it answers."""
        self._server.start()

    def kill(self) -> None:
        """``kill -9``."""
        self._server.kill()

    def stop(self) -> None:
        """Ends it in order."""
        self._server.stop()

    def set_event_url(self, application_id: str, url: str) -> None:
        """The application's events are posted there from now on."""
        rtc = {"webhooks": {"event_url": {"address": url, "http_method": "POST"}}, "signed_callbacks": True}
        body = {"name": "bench", "capabilities": {"rtc": rtc}}
        answer = self._server.request("PUT", f"/v2/applications/{application_id}", body, basic=True)
        if answer.status != 200:
            raise SystemExit(f"The event URL could not be set: {answer}")

    def nodes_alive(self) -> int:
        """How many nodes it sees, itself included."""
        lines = self._server.request("GET", "/metrics").body.decode().splitlines()
        return next(int(float(line.split()[1])) for line in lines if line.startswith("legato_nodes_alive "))

    def application(self) -> Application:
        """A new application."""
        return self._server.application("bench")


class World:
    """What was made once: where its data lies, and every session it can have."""

    def __init__(self, directory: Path):
        content = json.loads((directory / "world.json").read_text())
        self.directory = directory
        self.admin: str = content["admin"]
        self.application_id: str = content["application_id"]
        self.made_at: float = content["made_at"]
        self._sessions = [Session(*fields) for fields in content["sessions"]]

    def plan(self, rooms: int, members: int, senders: int) -> list[Session]:
        """Sessions of the first ``members`` of the first ``rooms``; the first ``senders`` of each post."""
        chosen = []
        for room in range(rooms):
            for place in range(members):
                session = self._sessions[room * MEMBERS + place]
                chosen.append(session._replace(sender=place < senders))
        return chosen

    def everyone(self, count: int) -> list[Session]:
        """The first ``count`` people, wherever they are members."""
        return self._sessions[:count]

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """A copy of the world's data directory, gone afterwards."""
        with TemporaryDirectory(dir=BUILD) as name:
            directory = Path(name) / "data"
            shutil.copytree(self.directory / "data", directory)
            yield directory

    @contextmanager
    def served(self) -> Iterator[Product]:
        """A running Legato on a copy of the world."""
        with self.copied() as directory, running(directory) as product:
            yield product


@contextmanager
def running(directory: Path) -> Iterator[Product]:
    """A running Legato on a data directory."""
    product = Product(directory)
    product.start()
    try:
        yield product
    finally:
        product.stop()


class Rest:
    """Setting a scene over REST, on a few connections."""

    def __init__(self, port: int, token: str):
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._local = threading.local()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call. Raises SystemExit when it is refused: the scene is then not the one that was asked for."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request(method, path, json.dumps(body) if body is not None else None, self._headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {content.decode(errors='replace')[:500]}")
        return json.loads(content) if content else None

    @staticmethod
    def all(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """``work`` on every item, several at a time, results in order."""
        with ThreadPoolExecutor(SETUP_CONNECTIONS) as pool:
            return list(pool.map(work, items))


def world(*, reuse: bool = False) -> World:
    """The world, made anew unless ``reuse`` is asked for and one is there whose tokens are good for hours yet."""
    if reuse and (WORLD / "world.json").exists():
        found = World(WORLD)
        if time.time() - found.made_at < TOKEN_LIFE_S / 2:
            return found
    shutil.rmtree(WORLD, ignore_errors=True)
    (WORLD / "data").mkdir(parents=True)
    with running(WORLD / "data") as product:
        made_at = time.time()
        application = product.application()
        admin = application.token(ttl=TOKEN_LIFE_S)
        sessions = populate(Rest(product.port, admin), application)
    content = {"admin": admin, "application_id": application.id, "made_at": made_at, "sessions": sessions}
    (WORLD / "world.json").write_text(json.dumps(content))
    return World(WORLD)


def populate(rest: Rest, application: Application, rooms: int = CONVERSATIONS) -> list[Session]:
    """That many conversations of MEMBERS members each; the session that each member can have."""

    def make_user(number: int) -> tuple[str, str]:
        name = f"user{number:05}"
        user_id: str = rest.call("POST", "/v0.3/users", {"name": name, "display_name": f"User {number}"})["id"]
        return name, user_id

    def make_room(number: int) -> str:
        conversation: str = rest.call("POST", "/v0.3/conversations", {"name": f"room{number:03}"})["id"]
        return conversation

    def join(seat: tuple[str, tuple[str, str]]) -> str:
        conversation, (_, user_id) = seat
        body = {"user": {"id": user_id}, "state": "joined", "channel": {"type": "app"}}
        member: str = rest.call("POST", f"/v0.3/conversations/{conversation}/members", body)["id"]
        return member

    users = rest.all(make_user, range(rooms * MEMBERS))
    made = rest.all(make_room, range(rooms))
    seats = [(made[number // MEMBERS], user) for number, user in enumerate(users)]
    members = rest.all(join, seats)
    tokens = rest.all(lambda user: application.token(user[0], ttl=TOKEN_LIFE_S), users)
    return [
        Session(number // MEMBERS, number % 2 == 0, False, user[0], conversation, member, token)
        for number, ((conversation, user), member, token) in enumerate(zip(seats, members, tokens, strict=True))
    ]
