"""A bus of each kind, and two nodes on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from tests.conftest import missing

from legato.bus import Advanced, Message, Passed, PostgresBus
from legato.bus.nats import NatsBus
from legato.bus.outbox import ConnectedBus
from legato.store import Store
from legato.testing.nats import NatsServer
from legato.testing.postgres import Cluster, MissingPeerError

SECONDS = 30.0


@dataclass
class Ear:
    """What a node has heard."""

    heard: list[Message] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, message: Message) -> None:
        self.heard.append(message)
        self.changed.set()

    async def until(self, condition: Callable[[list[Message]], bool]) -> list[Message]:
        """What was heard, once ``condition`` holds of it."""
        async with asyncio.timeout(SECONDS):
            while not condition(self.heard):
                self.changed.clear()
                await self.changed.wait()
        return self.heard

    def signals(self) -> list[str]:
        """The texts of the signals."""
        return [one.event.body["text"] for one in self.heard if isinstance(one, Passed)]


@dataclass
class Wire:
    """A bus of each kind: ``make`` gives a node's end, ``cut`` takes the connections of all away for a moment."""

    make: Callable[[str], ConnectedBus]
    cut: Callable[[], Awaitable[None]]


@pytest.fixture(params=["postgresql", "nats"])
async def wire(request: pytest.FixtureRequest, postgres: Cluster, tmp_path: Path) -> AsyncIterator[Wire]:
    """Each kind."""
    with ExitStack() as stack:
        if request.param == "postgresql":
            yield await _postgres(stack, postgres)
            return
        try:
            server = stack.enter_context(NatsServer(tmp_path))
        except MissingPeerError as error:
            missing(str(error))
            raise

        async def cut() -> None:
            server.kill()
            await asyncio.to_thread(server.start)

        yield Wire(lambda node: NatsBus(server.url, node, "installation"), cut)


async def _postgres(stack: ExitStack, postgres: Cluster) -> Wire:
    url = postgres.database()
    stack.callback(postgres.drop, url)
    store = Store(url)
    await store.open()
    await store.close()

    async def cut() -> None:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as database:
            database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")

    return Wire(lambda node: PostgresBus(url, node), cut)


@pytest.fixture
async def pair(wire: Wire) -> AsyncIterator[tuple[ConnectedBus, Ear, ConnectedBus, Ear]]:
    """Two nodes that are connected."""
    one, two, first, second = wire.make("one"), wire.make("two"), Ear(), Ear()
    one.start(first)
    two.start(second)
    for ear in (first, second):
        await ear.until(lambda heard: Advanced() in heard)
    yield one, first, two, second
    await one.close()
    await two.close()
