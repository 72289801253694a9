"""The REST API, called as a server would call it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import msgspec

from legato.api.api import Api
from legato.api.applications import ApplicationChanged
from legato.auth import Authenticator, Principal
from legato.log import Log
from legato.store.signature import SignatureSecrets

KEY, SECRET = "abcd1234", "first-Secret-1"


@dataclass
class HandClock:
    seconds: float = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds


class NoSessions:
    """Nobody is connected: these rooms end sessions through what they tell, not through this."""

    async def refresh(self, session_id: str, principal: Principal, token: str) -> None:
        raise AssertionError("not asked for")

    async def end(self, session_id: str, application_id: str, user_id: str | None) -> None:
        raise AssertionError("not asked for")

    async def terminate_user(self, user_id: str) -> None:
        raise AssertionError("not asked for")


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Scene:
    """The API, called as a server would call it."""

    api: Api
    auth: Authenticator
    log: Log
    clock: HandClock
    changes: list[ApplicationChanged] = field(default_factory=list)
    signed: list[SignatureSecrets] = field(default_factory=list)  # what webhooks were to be signed with

    async def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        secret: str | None = SECRET,
        raw: bytes | None = None,
        key: str | None = None,
    ) -> Reply:
        path, _, query = target.partition("?")
        content = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
        headers = [(b"content-length", str(len(content)).encode()), (b"content-type", b"application/json")]
        if secret is not None:
            headers.append((b"authorization", b"Basic " + b64encode(f"{KEY}:{secret}".encode())))
        if key is not None:
            headers.append((b"idempotency-key", key.encode()))
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
        await self.api({**scope, "raw_path": path.encode()}, receive, send)
        answer = sent[1]["body"]
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Reply(sent[0]["status"], found, msgspec.json.decode(answer) if answer else None)
