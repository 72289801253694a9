"""A console over a running log, and a browser's worth of ASGI to ask it with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import pytest

from legato.console import Console, DemoAccess, DemoUser
from legato.conversations import Caller, CreateConversation, JoinMember, PostEvent
from legato.conversations.user import User
from legato.events import Person
from legato.events.ids import RandomIds
from legato.log import Log
from legato.outbound import Outbound
from legato.store import Store
from legato.store.endpoints import set_application_endpoint
from legato.store.signature import SignatureSecrets
from legato.store.users import insert_user
from legato.testing.waiting import PATIENCE_SECONDS
from legato.webhooks import Signer, Webhooks

APPLICATION = "00000000-0000-4000-8000-000000000001"
CONVERSATION = "CON-00000000-0000-4000-8000-000000000002"
ALICE = Person("USR-00000000-0000-4000-8000-000000000003", "alice", "Alice")
MEMBER = "MEM-00000000-0000-4000-8000-000000000004"
HOOK = "http://127.0.0.1:8080/console/hook"
SIGNATURE_SECRET = "s" * 40


@dataclass
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Stream:
    """An open feed: what it has sent so far, and a way to leave."""

    task: asyncio.Task[None] | None = None
    status: int = 0
    text: bytes = b""
    is_over: bool = False
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The data of every message, with its ``id:`` as ``place``."""
        return [{**msgspec.json.decode(one["data"]), "place": one.get("id")} for one in self._of(None)]

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        """The data of every message of that name."""
        return [msgspec.json.decode(one["data"]) for one in self._of("deliveries")]

    def _of(self, name: str | None) -> list[dict[str, str]]:
        found = []
        for block in self.text.decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
            if "data" in lines and lines.get("event") == name:
                found.append(lines)
        return found

    async def until(self, count: int) -> list[dict[str, Any]]:
        """The messages, once there are that many."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.messages) >= count)
        return self.messages

    async def told(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first news of deliveries for which the condition holds."""

        def found() -> list[dict[str, Any]]:
            return [each for each in self.deliveries if condition(each)]

        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(found)
        return found()[0]

    async def over(self) -> None:
        """Returns when the server has ended the feed."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: self.is_over)

    async def leave(self) -> None:
        """As a browser that closes the tab."""
        self._left.set()
        assert self.task is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.task

    async def receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        async with self._news:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            else:
                self.text += message["body"]
                self.is_over = not message.get("more_body", False)
            self._news.notify_all()


class Browser:
    """Asks a console."""

    def __init__(self, console: Console, webhooks: Webhooks) -> None:
        self.console = console
        self.webhooks = webhooks
        self.streams: list[Stream] = []

    async def post(self, path: str, value: Any, **headers: str) -> Answer:
        """What the page posts."""
        headers = {"content_type": "application/json", **headers}
        return await self.get(path, method="POST", body=msgspec.json.encode(value), **headers)

    async def get(self, path: str, *, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """One request; header names are written with underscores."""
        heard: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            heard.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.console(_scope(path, method, headers), receive, send)
        fields = {name.decode(): value.decode() for name, value in heard[0]["headers"]}
        return Answer(heard[0]["status"], fields, b"".join(message["body"] for message in heard[1:]))

    def open(self, path: str, **headers: str) -> Stream:
        """A feed, which stays open."""
        stream = Stream()
        scope = _scope(path, "GET", headers)
        stream.task = asyncio.create_task(self.console(scope, stream.receive, stream.send))
        self.streams.append(stream)
        return stream


def _scope(path: str, method: str, headers: dict[str, str]) -> dict[str, Any]:
    path, _, query = path.partition("?")
    fields = {"host": "127.0.0.1:8080", **headers}
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()],
    }


@dataclass
class Chat:
    """A conversation; unless told otherwise, that of the page."""

    log: Log
    conversation_id: str = CONVERSATION
    member_id: str = MEMBER

    async def begin(self) -> None:
        """Alice in a conversation: event 1 is her joining."""
        system = Caller(APPLICATION, system=True)
        await self.log.submit(
            CreateConversation(conversation_id=self.conversation_id, by=system, name=self.conversation_id)
        )
        await self.log.submit(
            JoinMember(
                conversation_id=self.conversation_id,
                by=Caller(APPLICATION, ALICE),
                member_id=self.member_id,
                user=ALICE,
                channel={"type": "app"},
            )
        )

    async def post(self, type_: str, body: dict[str, Any]) -> int | None:
        """An event by alice; its id."""
        receipt = await self.log.submit(
            PostEvent(
                conversation_id=self.conversation_id,
                by=Caller(APPLICATION, ALICE),
                type=type_,
                body=body,
                from_=self.member_id,
            )
        )
        assert receipt.event is not None
        return receipt.event.id

    async def point_to(self, url: str | None) -> None:
        """The application's event_url."""
        rtc = {} if url is None else {"webhooks": {"event_url": {"address": url}}}
        await self.log.transact(
            lambda connection: set_application_endpoint(connection, APPLICATION, {"rtc": rtc}, self.log.clock.now())
        )

    async def say(self, *texts: str) -> None:
        """One event for each text."""
        for text in texts:
            await self.post("text", {"text": text})


@pytest.fixture
async def chat(database_url: str) -> AsyncIterator[Chat]:
    """A running log with alice in a conversation."""
    store = Store(database_url)
    await store.open()
    log = Log(store)
    await log.start()
    alice = User(id=ALICE.id, application_id=APPLICATION, name=ALICE.name, created_at=0)
    await log.transact(partial(insert_user, user=alice))
    chat = Chat(log)
    await chat.begin()
    yield chat
    await log.close()
    await store.close()


@pytest.fixture
async def browser(chat: Chat) -> AsyncIterator[Browser]:
    """A browser before the console of ``legato dev``."""
    access = DemoAccess(
        application_id=APPLICATION,
        conversation_id=CONVERSATION,
        users=(DemoUser(ALICE.id, "alice", "Alice"),),
        mint=lambda name: f"token of {name}",
        hosts=frozenset({"laptop.example"}),
        hook=HOOK,
    )
    ids = RandomIds()
    webhooks = Webhooks(
        read=chat.log.read,
        write=chat.log.transact,
        outbound=Outbound(),
        signer=Signer("key", SignatureSecrets(SIGNATURE_SECRET), ids),
        clock=chat.log.clock,
        ids=ids,
    )
    browser = Browser(Console(chat.log, access, webhooks, ids, signature_secret=SIGNATURE_SECRET), webhooks)
    yield browser
    for stream in browser.streams:
        await stream.leave()
