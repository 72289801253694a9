"""Long polling, and the upgrade from it: Engine.IO over plain GET and POST.

::

    GET  ?EIO=4&transport=polling            200  0{"sid":…,"upgrades":["websocket"],…}
    GET  ?EIO=4&transport=polling&sid=…      200  packets joined by 0x1e, as soon as there are any
    POST ?EIO=4&transport=polling&sid=…      200  ok
    anything wrong                           400  {"code":1,"message":"Session ID unknown"}

Browsers ask from other origins, so every answer allows any. Both of the platform's clients use websockets only; this
is for those behind proxies that know none. Source: the Engine.IO protocol, revision 4, HTTP long-polling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from legato.sessions import packet
from legato.sessions.engine import BAD_METHOD, BAD_REQUEST, BadRequestError, Endpoint, Socket, Upgradable
from legato.sessions.handshake import query_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_CORS: Final = [
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"no-store"),
]
_PREFLIGHT: Final = [
    *_CORS,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", b"86400"),
]
_TEXT: Final = (b"content-type", b"text/plain; charset=UTF-8")
_HTML: Final = (b"content-type", b"text/html")
_JSON: Final = (b"content-type", b"application/json")
_NOOP_FRAME: Final = packet.frame(packet.NOOP)
_CLOSE_FRAME: Final = packet.frame(packet.CLOSE)


class Polling(Upgradable):
    """A client that fetches its packets. At most one request waits at a time."""

    name: Final = "polling"

    __slots__ = ("_frames", "_is_open", "_is_paused", "_size", "_waiting", "socket")

    def __init__(self) -> None:
        self.socket: Socket | None = None
        self._frames: list[bytes] = []
        self._size = 0
        self._waiting: asyncio.Future[None] | None = None
        self._is_open = True
        self._is_paused = False  # a websocket is taking over: nobody waits any more

    def write(self, frames: bytes) -> None:
        """See ``Transport``."""
        if not self._is_open:
            return
        if self.socket is not None and self._size > self.socket.endpoint.limits.max_buffered:
            self.socket.fall_behind()
            return
        self._frames.append(frames)
        self._size += len(frames)
        self._wake()

    def buffered(self) -> int:
        """See ``Transport``."""
        return self._size

    def close(self) -> None:
        """See ``Transport``. A request that waits is answered with what there is and a close packet."""
        if self._is_open:
            self._is_open = False
            self._frames.append(_CLOSE_FRAME)
            self._wake()

    def abort(self) -> None:
        """See ``Transport``."""
        self._frames.clear()
        self._size = 0
        self.close()

    def pause(self) -> None:
        """See ``Upgradable``."""
        self._is_paused = True
        self._wake()

    def hand_over(self) -> list[bytes]:
        """See ``Upgradable``."""
        self._is_open = False
        frames, self._frames = self._frames, []
        self._size = 0
        self._wake()
        return frames

    async def fetch(self) -> bytes:
        """The payload of the next GET, once there is a packet. Raises BadRequestError when a request waits already."""
        if self._waiting is not None:
            raise BadRequestError(*BAD_REQUEST)
        if not self._frames and self._is_open and not self._is_paused:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        frames, self._frames = self._frames or [_NOOP_FRAME], []
        self._size = 0
        if self.socket is not None:
            self.socket.on_writable()
        return packet.SEPARATOR.join(packet.unframe(b"".join(frames)))

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class PollingEndpoint:
    """The ASGI application for everything under the socket's path that is not a websocket."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request."""
        method = scope["method"]
        if method == "OPTIONS":
            await _answer(send, 204, b"", _PREFLIGHT)
            return
        try:
            query = query_of(scope["query_string"].decode("latin-1"))
            if method == "GET":
                body = await self._get(query, receive, client_of(scope))
                await _answer(send, 200, body, [*_CORS, _TEXT])
            elif method == "POST":
                await self._post(query, receive)
                await _answer(send, 200, b"ok", [*_CORS, _HTML])
            else:
                raise BadRequestError(*BAD_METHOD)
        except BadRequestError as refused:
            body = msgspec.json.encode({"code": refused.code, "message": refused.message})
            again = [] if refused.retry_after is None else [(b"retry-after", b"%d" % refused.retry_after)]
            await _answer(send, refused.status, body, [*_CORS, _JSON, *again])

    async def _get(self, query: dict[str, str], receive: Receive, address: str | None) -> bytes:
        if "sid" not in query:
            transport = Polling()
            transport.socket = self._endpoint.admit(query, transport, address)
            transport.socket.open()
            return await transport.fetch()
        socket, transport = self._find(query)
        try:
            return await _unless_gone(transport.fetch(), receive) or b""
        except BadRequestError:
            # Two requests at once: whichever is answered, packets can be lost.
            socket.cut("polled twice at once")
            raise

    async def _post(self, query: dict[str, str], receive: Receive) -> None:
        if "sid" not in query:
            raise BadRequestError(*BAD_METHOD)
        socket, transport = self._find(query)
        body = await self._body(socket, receive)
        for data in body.split(packet.SEPARATOR):
            if not socket.is_open:
                break
            socket.receive(transport, data)

    async def _body(self, socket: Socket, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequestError(*BAD_REQUEST)
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._endpoint.limits.max_payload:
                socket.close("posted too much")
                raise BadRequestError(*BAD_REQUEST, status=413)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _find(self, query: dict[str, str]) -> tuple[Socket, Polling]:
        socket = self._endpoint.find(query["sid"])
        transport = socket.transport
        if not isinstance(transport, Polling) or query.get("transport") != transport.name:
            raise BadRequestError(*BAD_REQUEST)
        return socket, transport


def client_of(scope: Scope) -> str | None:
    """Where a request comes from, as the HTTP server has found out."""
    client = scope.get("client")
    return client[0] if client else None


async def _unless_gone(fetching: Awaitable[bytes], receive: Receive) -> bytes | None:
    """What ``fetching`` gives; None, and nothing is fetched, when the client hung up while it waited."""
    fetch = asyncio.ensure_future(fetching)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((fetch, gone), return_when=asyncio.FIRST_COMPLETED)
        return fetch.result() if fetch.done() else None
    finally:
        fetch.cancel()
        gone.cancel()
        await asyncio.gather(fetch, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
