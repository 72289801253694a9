"""Several servers on one PostgreSQL, told of each other through the database or through NATS."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from legato.testing.nats import NatsServer
from legato.testing.postgres import Cluster, MissingPeerError
from legato.testing.server import Application, Server
from legato.testing.session import Session
from legato.testing.waiting import poll
from tests.conftest import missing
from tests.e2e.load import Room

BUSES = ("postgresql", "nats")
SECONDS = 30.0  # for anything awaited here, on a busy machine


@dataclass
class Nodes:
    """Servers that share a database. ``bus`` is the NATS server, if they have one."""

    make: Callable[..., Server]
    database_url: str
    settings: dict[str, str]
    bus: NatsServer | None = None
    servers: list[Server] = field(default_factory=list)

    def add(self, **options: Any) -> Server:
        """One more, known to all the others."""
        settings = {**self.settings, **options.pop("settings", {}), "LEGATO_NODE_NAME": f"node-{len(self.servers)}"}
        if self.servers:  # one installation has one address, and every node's links lead there
            settings = {"LEGATO_PUBLIC_URL": self.servers[0].url, **settings}
        server = self.make(database_url=self.database_url, settings=settings, **options)
        self.servers.append(server)
        return server

    def alive(self, server: Server) -> float:
        """How many nodes ``server`` sees, itself included."""
        return metric(server, "legato_nodes_alive")

    def until_known(self, count: int, *servers: Server) -> None:
        """Returns when each of these servers, or all, sees ``count`` nodes."""
        for server in servers or self.servers:
            poll(lambda server=server: self.alive(server) == count, SECONDS, f"{count} nodes are seen")  # type: ignore[misc]


def metric(server: Server, name: str) -> float:
    """A metric without labels."""
    lines = server.request("GET", "/metrics").body.decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.split(" ")[0].split("{")[0] == name)


def settings_for(bus: NatsServer | None) -> dict[str, str]:
    """Of a node that hears of the others over ``bus``, or through its database."""
    settings = {
        "LEGATO_USER_RATE": "0",
        "LEGATO_APPLICATION_RATE": "0",
        "LEGATO_DANGEROUS_ALLOW_PRIVATE_ADDRESSES": "true",
        "LEGATO_WEBHOOK_RETRY_SECONDS": "0.1",
    }
    return settings if bus is None else {**settings, "LEGATO_BUS_URL": bus.url}


@pytest.fixture(scope="module", params=BUSES)
def shared_nodes(
    request: pytest.FixtureRequest, postgres: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nodes]:
    """Two nodes for all tests that kill nothing, over each bus."""
    with contextlib.ExitStack() as stack:
        bus = stack.enter_context(nats_server(tmp_path_factory.mktemp("bus"))) if request.param == "nats" else None
        url = postgres.database()
        stack.callback(postgres.drop, url)

        def make(**options: Any) -> Server:
            return stack.enter_context(Server(tmp_path_factory.mktemp("node"), **options))

        nodes = Nodes(make, url, settings_for(bus), bus)
        nodes.add()
        nodes.add()
        nodes.until_known(2)
        yield nodes


@pytest.fixture(params=BUSES)
def nodes(
    request: pytest.FixtureRequest, postgres: Cluster, tmp_path: Path, make_server: Callable[..., Server]
) -> Iterator[Nodes]:
    """No node yet, over each bus; they may be killed."""
    with contextlib.ExitStack() as stack:
        bus = stack.enter_context(nats_server(tmp_path)) if request.param == "nats" else None
        url = postgres.database()
        stack.callback(postgres.drop, url)
        yield Nodes(make_server, url, settings_for(bus), bus)


def nats_server(directory: Path) -> NatsServer:
    """A NATS server, not started."""
    try:
        return NatsServer(directory)
    except MissingPeerError as error:
        missing(str(error))
        raise


@dataclass
class Pair:
    """Two nodes, an application, and a conversation with alice and bob, whose sessions are wherever a test wants."""

    nodes: Nodes
    application: Application
    room: Room
    sessions: list[Session] = field(default_factory=list)

    @property
    def one(self) -> Server:
        """The first node."""
        return self.nodes.servers[0]

    @property
    def two(self) -> Server:
        """The second node."""
        return self.nodes.servers[1]

    @property
    def cid(self) -> str:
        """The conversation's id."""
        return self.room.cid

    async def session(self, name: str, at: Server, **options: Any) -> Session:
        """A client of that user, connected there."""
        session = Session(at.url, self.application.token(name), **options)
        self.sessions.append(session)
        return await session.login()

    def post(self, at: Server, name: str | None, body: dict[str, Any], status: int = 201) -> Any:
        """An event by a user or by the application; its answer."""
        answer = at.request("POST", f"/v1/conversations/{self.cid}/events", body, token=self.application.token(name))
        assert answer.status == status, answer
        return answer.body

    def text(self, at: Server, name: str, text: str) -> int:
        """A text; its id."""
        event_id: int = self.post(at, name, {"type": "text", "body": {"text": text}})["id"]
        return event_id


async def _pair(nodes: Nodes) -> AsyncIterator[Pair]:
    one = nodes.servers[0]
    application = one.application()
    for name in ("alice", "bob"):
        one.user(application, name)
    made = Pair(nodes, application, Room.make(one, application, ["alice", "bob"]))
    yield made
    for session in made.sessions:
        await session.drop()
        session.check()


@pytest.fixture
async def pair(shared_nodes: Nodes) -> AsyncIterator[Pair]:
    """Two nodes that know each other, and are not to be killed."""
    async for made in _pair(shared_nodes):
        yield made


@pytest.fixture
async def mortal_pair(nodes: Nodes) -> AsyncIterator[Pair]:
    """Two nodes that know each other, for a test that kills one."""
    nodes.add()
    nodes.add()
    nodes.until_known(2)
    async for made in _pair(nodes):
        yield made
