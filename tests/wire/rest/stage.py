"""The REST API over a real log, called as a server would call it, by two applications and their users."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec

from legato.api import Admission, Api, ApiSettings, Services, rooms
from legato.auth import CLIENT_ACL, Authenticator, Principal, StoredDirectory, generate, mint
from legato.events.export import Sink, validate_event
from legato.events.ids import RandomIds
from legato.log import Delivery, Log
from legato.store import Store
from legato.store.account import Account, ensure_account, read_account
from legato.store.applications import Application, insert_application

URL = "https://chat.example"
APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
OTHER = "bbbbbbbb-bbbb-4ccc-8ddd-0123456789ab"
KEYS = {APPLICATION: generate(), OTHER: generate()}
OLD = ("beta", "v0.1", "beta2", "v0.2")
NEW = ("v0.3", "v1")
PREFIXES = OLD + NEW
_EVENTS = re.compile(r"/[^/]+/conversations/[^/]+/events(?P<one>/[^/]+)?")


@dataclass
class HandClock:
    """A clock that stands still until it is moved."""

    seconds: float = 1_800_000_000.0

    def now(self) -> float:
        """Seconds since 1970."""
        return self.seconds


@dataclass
class Ended:
    """Stands where the connected sessions do, and writes down what REST asks of them."""

    refreshed: list[tuple[str, Principal]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def refresh(self, session_id: str, principal: Principal) -> None:
        self.refreshed.append((session_id, principal))

    async def terminate(self, session_id: str, reason: str) -> bool:
        self.ended.append(session_id)
        return True

    async def terminate_user(self, user_id: str, reason: str) -> None:
        self.users.append(user_id)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Stage:
    """The API with short words for what tests do to it. Whatever events it answers are held against the catalogue."""

    api: Api
    log: Log
    clock: HandClock
    sessions: Ended
    heard: list[Delivery] = field(default_factory=list)

    def token(self, user: str | None = None, application: str = APPLICATION, **options: Any) -> str:
        """A token of the application, or of its user of that name."""
        acl = None if user is None else CLIENT_ACL
        return mint(
            KEYS[application].private_key, application, **{"sub": user, "acl": acl, "now": self.clock.now(), **options}
        )

    async def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        as_: str | None = None,
        token: str | None = "",
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request: by the application unless ``as_`` names a user; ``token`` None sends none."""
        path, _, query = target.partition("?")
        content = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
        credential = self.token(as_) if token == "" else token
        fields = {
            "content-type": "application/json",
            **({"authorization": f"Bearer {credential}"} if credential is not None else {}),
            **(headers or {}),
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        }
        await self.api(scope, receive, send)
        answer = b"".join(message["body"] for message in sent[1:])
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        told = msgspec.json.decode(answer) if answer else None
        if method == "GET" and sent[0]["status"] == 200 and (asked := _EVENTS.fullmatch(path)):
            for event in [told] if asked["one"] else _listed(told):
                validate_event(event, Sink.LOG)
        return Answer(sent[0]["status"], found, told)

    async def must(self, method: str, target: str, body: Any = None, **options: Any) -> Any:
        """The body of an answer that has to be a success."""
        answer = await self.call(method, target, body, **options)
        assert answer.status in (200, 201, 204), (answer.status, answer.body)
        return answer.body

    async def user(self, name: str, **fields: Any) -> str:
        """A new user's id."""
        made = await self.must("POST", "/v1/users", {"name": name, **fields})
        return str(made["id"])

    async def conversation(self, name: str | None = None, **fields: Any) -> str:
        """A new conversation's id."""
        made = await self.must("POST", "/v1/conversations", {**({"name": name} if name else {}), **fields})
        return str(made["id"])

    async def join(self, cid: str, name: str) -> str:
        """The id of the user's new member."""
        body = {"user": {"name": name}, "state": "joined", "channel": {"type": "app"}}
        return str((await self.must("POST", f"/v1/conversations/{cid}/members", body, as_=name))["id"])

    async def say(self, cid: str, name: str, text: str) -> int:
        """The id of a new text."""
        body = {"type": "text", "body": {"text": text}}
        return int((await self.must("POST", f"/v1/conversations/{cid}/events", body, as_=name))["id"])


def _listed(page: Any) -> list[Any]:
    """What a page lists, in whatever envelope its generation puts that."""
    found = page["_embedded"] if isinstance(page, dict) else page
    while isinstance(found, dict):
        (found,) = found.values()
    return list(found)


@asynccontextmanager
async def stage(database_url: str, settings: ApiSettings | None = None) -> AsyncIterator[Stage]:
    """Both applications, without users."""
    settings = settings or ApiSettings(public_url=URL, user_rate=0, application_rate=0)
    store, clock, ids = Store(database_url), HandClock(), RandomIds()
    await store.open()
    log = Log(store, clock=clock)
    heard: list[Delivery] = []
    log.tap(heard.extend)
    await log.start()
    account = await log.transact(lambda connection: ensure_account(connection, ids, clock.now()))
    for number, (application_id, keys) in enumerate(KEYS.items()):
        made = Application(id=application_id, name=f"app {number}", public_key=keys.public_key, created_at=clock.now())
        await log.transact(lambda connection, made=made: insert_application(connection, made))
    auth = Authenticator(StoredDirectory(log.read), clock, api_key=account.api_key)

    async def read_it() -> Account:
        return await log.read(lambda connection: read_account(connection, clock.now()))

    sessions = Ended()
    services = Services(log=log, auth=auth, sessions=sessions, settings=settings, clock=clock, ids=ids)
    api = Api(rooms(services), Admission(auth, read_it, settings, clock), settings)
    yield Stage(api, log, clock, sessions, heard)
    await log.close()
    await store.close()
