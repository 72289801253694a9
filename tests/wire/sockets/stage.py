"""A server for sockets in the test's own event loop: real store, log, tokens and HTTP, and a clock moved by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from sqlalchemy import Connection, insert, select

from legato.auth import CLIENT_ACL, Authenticator, KeyPair, StoredDirectory, mint
from legato.conversations import (
    Caller,
    CreateConversation,
    DeleteEvent,
    JoinMember,
    LeaveMember,
    Member,
    PostEvent,
)
from legato.dialects import for_socket
from legato.events import Event, Person, RandomIds, iso
from legato.log import Log, Receipt
from legato.sessions import Limits, Sessions, Settings
from legato.sessions.wheel import TICK_SECONDS
from legato.store import Store
from legato.store.schema import applications, users
from legato.testing.session import InvalidEventError, Session
from legato.testing.waiting import PATIENCE_SECONDS

APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
START = 1_800_000_000.0
PATH = "/v2/rtc/"
ids = RandomIds()


@dataclass
class HandClock:
    """Wall clock and steady clock in one, moved by hand."""

    seconds: float = START

    def now(self) -> float:
        return self.seconds

    def steady(self) -> float:
        return self.seconds


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test runner's."""
        yield


@dataclass
class Stage:
    """The running server and what a test does to it."""

    sessions: Sessions
    log: Log
    authenticator: Authenticator
    clock: HandClock
    pair: KeyPair
    url: str
    clients: list[Session] = field(default_factory=list)

    # -- people and tokens -------------------------------------------------------------------------------------------

    async def person(self, name: str, application_id: str = APPLICATION) -> Person:
        """A new user."""
        person = Person(f"USR-{ids.uuid()}", name, name.title())
        row = {
            "id": person.id,
            "application_id": application_id,
            "name": name,
            "display_name": person.display_name,
            "properties": {},
            "channels": {},
            "created_at": self.clock.now(),
        }
        await self.log.transact(lambda database: _execute(database, insert(users), row))
        return person

    def token(self, name: str, **options: Any) -> str:
        """A token of the user with that name."""
        options.setdefault("acl", CLIENT_ACL)
        return mint(self.pair.private_key, APPLICATION, sub=name, now=self.clock.now(), **options)

    def client(self, name: str, *, dialect: str = "classic", **options: Any) -> Session:
        """A client of that user, not connected yet."""
        self.clients.append(Session(self.url, self.token(name, **options), dialect=dialect))
        return self.clients[-1]

    async def login(self, name: str, *, dialect: str = "classic") -> Session:
        """A client of that user, logged in."""
        return await self.client(name, dialect=dialect).login()

    # -- conversations -----------------------------------------------------------------------------------------------

    async def conversation(self, *members: Person) -> str:
        """A new conversation with these members."""
        cid = f"CON-{ids.uuid()}"
        await self.log.submit(CreateConversation(conversation_id=cid, by=Caller(APPLICATION), name=cid))
        for person in members:
            await self.join(cid, person)
        return cid

    async def join(self, cid: str, person: Person) -> Member:
        """The person as a joined member."""
        receipt = await self.log.submit(
            JoinMember(
                conversation_id=cid,
                by=Caller(APPLICATION, person),
                member_id=f"MEM-{ids.uuid()}",
                user=person,
                channel={"type": "app"},
            )
        )
        assert receipt.member is not None
        return receipt.member

    async def leave(self, cid: str, member: Member, person: Person) -> Receipt:
        """The member leaves."""
        return await self.log.submit(
            LeaveMember(conversation_id=cid, by=Caller(APPLICATION, person), member_id=member.id)
        )

    async def post(self, cid: str, text: str, person: Person) -> Receipt:
        """A text."""
        return await self.emit(cid, "text", {"text": text}, person)

    async def emit(self, cid: str, name: str, body: dict[str, Any], person: Person | None = None) -> Receipt:
        """An event of any type."""
        return await self.log.submit(
            PostEvent(conversation_id=cid, by=Caller(APPLICATION, person), type=name, body=body)
        )

    async def delete(self, cid: str, event_id: int | None) -> Receipt:
        """The application deletes an event."""
        by = Caller(APPLICATION)
        return await self.log.submit(DeleteEvent(conversation_id=cid, by=by, event_id=event_id or 0))

    async def signal_to(self, session_id: str, cid: str, name: str, body: dict[str, Any]) -> None:
        """An event for one session only."""
        now = iso(self.clock.now())
        event = Event(type=name, body=body, timestamp=now, application_id=APPLICATION, conversation_id=cid)
        await self.log.signal(event, session_id=session_id)

    # -- time and the network ----------------------------------------------------------------------------------------

    def after(self, seconds: float) -> None:
        """Time passes, and everything that falls due happens."""
        self.clock.seconds += seconds + TICK_SECONDS
        self.sessions.tick()

    async def passes(self, seconds: float) -> None:
        """Time passes for clients that answer their pings."""
        while seconds > 0:
            self.after(min(seconds, 5.0) - TICK_SECONDS)
            seconds -= 5.0
            await self.until(lambda: not any(socket._awaiting for socket in self.sessions.endpoint.sockets.values()))
        self.after(0)

    async def until(self, condition: Any) -> None:
        """Returns when ``condition`` holds; the event loop turns meanwhile."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def staged(
    database_url: str, pair: KeyPair, *, way_in: str = "class", settings: Settings | None = None, port: int = 0
) -> AsyncIterator[Stage]:
    """A running stage. ``way_in`` is ``class`` for uvicorn's ``ws=``, ``asgi`` for the plain adapter."""
    clock = HandClock()
    store = Store(database_url)
    await store.open()
    log = Log(store, clock=clock)
    await log.start()
    await log.transact(lambda database: _make_application(database, pair))
    authenticator = Authenticator(StoredDirectory(log.read), clock, api_key="a1b2c3d4")
    sessions = Sessions(
        log=log,
        authenticator=authenticator,
        render=for_socket,
        clock=clock,
        steady=clock.steady,
        settings=settings,
    )
    await sessions.start()
    async with served(sessions, way_in, port) as url:
        stage = Stage(sessions, log, authenticator, clock, pair, url)
        yield stage
        for client in stage.clients:
            with contextlib.suppress(InvalidEventError):  # told below, when nothing runs any more
                await client.close()
        await sessions.close()
    await log.close()
    await store.close()
    for client in stage.clients:
        client.check()


@contextlib.asynccontextmanager
async def served(sessions: Sessions, way_in: str, port: int = 0) -> AsyncIterator[str]:
    """``sessions`` behind uvicorn; its URL."""
    config = uvicorn.Config(
        sessions,
        host="127.0.0.1",
        port=port,
        ws=sessions.websocket_class if way_in == "class" else "websockets-sansio",
        ws_ping_interval=None,
        http="httptools",
        lifespan="off",
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
        if serving.done():
            await serving
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def quick(**changes: Any) -> Settings:
    """Settings that differ from the default in some limit."""
    return Settings(limits=Limits(**changes))


def _make_application(database: Connection, pair: KeyPair) -> None:
    row = {
        "id": APPLICATION,
        "name": "wire",
        "public_key": pair.public_key,
        "key_version": 1,
        "capabilities": {},
        "privacy": {},
        "settings": {},
        "created_at": START,
    }
    if database.execute(select(applications.c.id)).first() is None:
        _execute(database, insert(applications), row)


def _execute(database: Connection, statement: Any, *rows: Any) -> None:
    database.execute(statement, *rows)
