"""The built-in receiver: where the demo's webhooks go, so that one sees them arrive, fail, and arrive after all.

It checks signatures as any receiver should, answers as the page has switched it, and keeps the last requests exactly
as they came.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from legato.log import Log
from legato.store.endpoints import read_endpoint
from legato.store.signature import read_signature_secrets
from legato.webhooks import UnverifiedError, verify

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HOOK_PATH: Final = "/console/hook"
# An event of the largest size, and room for what is around it.
MAX_BODY: Final = 1024 * 1024
# Requests that are kept, by their number and by the bytes of their bodies.
MAX_KEPT: Final = 1_000
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
# Long enough to be seen, shorter than the 10 seconds that are waited for a receiver.
SLOW_SECONDS: Final = 3.0
# The ASGI extension that ends a connection without an answer (`legato.arrivals.Droppable`).
DROP: Final = "legato.drop"


class Behaviour(enum.StrEnum):
    """How the receiver answers what is signed well."""

    WELL = "well"
    REFUSE = "refuse"
    SLOW = "slow"
    HANG_UP = "hangup"


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came, at ``at`` in seconds since 1970, with the names of its signatures."""

    at: float
    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    known_by: str
    signatures: tuple[str, ...]


class Receiver:
    """``POST /console/hook``."""

    def __init__(self, log: Log, endpoint_id: str, signature_secret: str) -> None:
        self.behaviour = Behaviour.WELL
        self._log = log
        self._endpoint_id = endpoint_id
        self._signature_secrets: Sequence[str] = [signature_secret]
        self._secrets: list[bytes] = []
        self._kept: deque[Received] = deque()
        self._kept_bytes = 0
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Nobody is kept waiting any more."""
        self._closing.set()

    def received(self, known_by: str) -> list[Received]:
        """The requests of one event that are still kept, in the order they came."""
        return [each for each in self._kept if each.known_by == known_by]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        body = await read_body(receive, MAX_BODY)
        if body is None:
            await _answer(send, 413, "It is too large.")
            return
        now = self._log.clock.now()
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        fields = dict(headers)
        try:
            signatures = await self._verify(fields, body, now)
        except UnverifiedError as error:
            await _answer(send, 401, str(error))
            return
        line = f"POST {scope['path']} HTTP/{scope.get('http_version', '1.1')}"
        self._keep(Received(now, line, headers, body, fields["webhook-id"], signatures))
        match self.behaviour:
            case Behaviour.REFUSE:
                await _answer(send, 500, "Refused, as it was told to.")
            case Behaviour.HANG_UP:
                scope["extensions"][DROP]["now"]()
                while (await receive())["type"] != "http.disconnect":
                    pass
            case Behaviour.SLOW:
                await self._dawdle()
                await _answer(send, 200, "Received, slowly.")
            case Behaviour.WELL:
                await _answer(send, 200, "Received.")

    async def _verify(self, headers: dict[str, str], body: bytes, now: float) -> tuple[str, ...]:
        """Secrets are remembered; they are read again when they do not fit, for they may have been rotated."""

        def check() -> tuple[str, ...]:
            return verify(headers, body, signature_secrets=self._signature_secrets, secrets=self._secrets, now=now)

        try:
            return check()
        except UnverifiedError:
            endpoint = await self._log.read(lambda connection: read_endpoint(connection, self._endpoint_id))
            self._secrets = [] if endpoint is None else endpoint.secrets_at(now)
            account = await self._log.read(read_signature_secrets)
            if account is not None:
                self._signature_secrets = account.at(now)
            return check()

    async def _dawdle(self) -> None:
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                await self._closing.wait()
        except TimeoutError:
            return

    def _keep(self, request: Received) -> None:
        self._kept.append(request)
        self._kept_bytes += len(request.body)
        while len(self._kept) > MAX_KEPT or self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().body)


async def read_body(receive: Receive, bound: int) -> bytes | None:
    """The body of a request; None when it is larger than ``bound`` bytes, or its sender has gone."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or len(body) > bound:
            return None
        more = message.get("more_body", False)
    return bytes(body)


async def _answer(send: Send, status: int, text: str) -> None:
    content = text.encode()
    fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": content})
