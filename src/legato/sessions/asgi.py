"""The websocket over plain ASGI, for servers that cannot be given a protocol class.

It costs a task per client and a copy per frame; ``websocket.WebSocket`` is what the server runs with. Both pass the
same tests, so that an update of the HTTP server can never leave us without a way in.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Final

from legato.sessions import packet
from legato.sessions.engine import BadRequestError, Endpoint, Socket
from legato.sessions.handshake import query_of
from legato.sessions.polling import Receive, Scope, Send, client_of

_GOING_AWAY: Final = 1001  # RFC 6455 7.4.1
_TOO_BIG: Final = 1009
_UNSUPPORTED: Final = 1003
_ABNORMAL: Final = 1011
# Below this a client counts as having caught up.
_LOW_WATER: Final = 16 * 1024


class AsgiSocket:
    """A websocket that the ASGI server holds: what is written waits here until the server takes it."""

    name: Final = "websocket"

    def __init__(self, max_buffered: int) -> None:
        self.socket: Socket | None = None
        self.close_code = 0  # set: say goodbye with it and stop
        self._max_buffered = max_buffered
        self._packets: deque[bytes] = deque()
        self._size = 0
        self._something = asyncio.Event()

    def write(self, frames: bytes) -> None:
        """See ``Transport``."""
        if self.close_code:
            return
        if self._size > self._max_buffered:
            if self.socket is not None:
                self.socket.fall_behind()
            return
        self._packets.extend(packet.unframe(frames))
        self._size += len(frames)
        self._something.set()

    def buffered(self) -> int:
        """See ``Transport``."""
        return self._size

    def close(self) -> None:
        """See ``Transport``."""
        self.close_code = self.close_code or _GOING_AWAY
        self._something.set()

    def abort(self) -> None:
        """See ``Transport``."""
        self._packets.clear()
        self._size = 0
        self.close_code = self.close_code or _ABNORMAL
        self._something.set()

    async def pump(self, send: Send) -> None:
        """Hands what is written to the server, until the connection is to be closed."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._packets:
                text = self._packets.popleft()
                self._size = max(0, self._size - len(text))
                await send({"type": "websocket.send", "text": text.decode()})
            self._size = 0
            if self.close_code:
                await send({"type": "websocket.close", "code": self.close_code})
                return
            if self.socket is not None:
                self.socket.on_writable()


class AsgiEndpoint:
    """The ASGI application for websockets under the socket's path."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one websocket until it is closed."""
        await receive()  # websocket.connect
        transport = AsgiSocket(self._endpoint.limits.max_buffered)
        try:
            query = query_of(scope["query_string"].decode("latin-1"))
            socket = self._endpoint.admit(query, transport, client_of(scope))
        except BadRequestError:
            await send({"type": "websocket.close"})  # before accept: the server answers 403
            return
        transport.socket = socket
        await send({"type": "websocket.accept"})
        if socket.transport is transport:
            socket.open()
        pump = asyncio.ensure_future(transport.pump(send))
        reader = asyncio.ensure_future(self._read(socket, transport, receive))
        try:
            await asyncio.wait((pump, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            socket.lost(transport)
            for task in (pump, reader):
                task.cancel()
                # The other side hanging up while we write is how these connections end.
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await task

    async def _read(self, socket: Socket, transport: AsgiSocket, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                transport.close_code = _UNSUPPORTED
                transport.close()
            elif len(text) > self._endpoint.limits.max_payload:
                transport.close_code = _TOO_BIG
                transport.close()
            else:
                socket.receive(transport, text.encode())
