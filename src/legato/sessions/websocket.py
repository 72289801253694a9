"""The websocket, as a protocol class that uvicorn hands the upgraded connection to (``Config(ws=…)``).

::

    uvicorn: GET /v2/rtc/?…&transport=websocket, Upgrade: websocket
        └─▶ cls(config=, server_state=, app_state=) ─▶ connection_made ─▶ data_received(the request's bytes)

Reading is left to ``websockets``' sans-I/O protocol. It is several kilobytes large and idle almost always, so a
socket borrows one when bytes come and returns it when they made whole messages. Writing is the event loop's own
``write`` of frames that were made elsewhere, without a call in between, for as long as the client reads: what stands
before it is measured only once the event loop says that it does not. Extensions are declined: compression is state per
connection, and the same bytes could not go to everybody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, ClassVar, Final, cast

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.server import ServerProtocol

from legato.sessions.engine import BadRequestError, Endpoint, Socket
from legato.sessions.handshake import query_of

# A logger of its own that is never below WARNING: the library's debug output quotes the request, and with it the token.
_quiet = logging.getLogger("legato.sessions.websocket.library")
_quiet.setLevel(logging.WARNING)

# Readers that wait to be borrowed. As many are in use as sockets whose bytes came in pieces: few.
MAX_SPARE_READERS: Final = 64
# RFC 6455 7.4.1: 1001 is an endpoint going away.
GOING_AWAY: Final = b"\x88\x02" + int(CloseCode.GOING_AWAY).to_bytes(2)
# Bytes before a client from which on they are measured; the event loop's own mark.
HIGH_WATER: Final = 64 * 1024
# A closing connection whose client does not read is given up after this.
LINGER_SECONDS: Final = 5.0
# Where the platform's clients connect; they append the slash themselves.
PATHS: Final = ("/v2/rtc/", "/v2/rtc")


class WebSocket(asyncio.Protocol):
    """One client's TCP connection. Built by a subclass that knows its ``endpoint`` (``websocket_class``)."""

    endpoint: ClassVar[Endpoint]
    max_buffered: ClassVar[int]
    high_water: ClassVar[int]
    name: Final = "websocket"
    _spare: ClassVar[list[Protocol]] = []

    __slots__ = ("_connections", "_fragments", "_is_open", "_reader", "_socket", "_tcp", "due", "write")

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: object = None) -> None:
        self._connections: set[Any] = server_state.connections
        self._tcp: asyncio.Transport = cast(asyncio.Transport, None)  # until connection_made
        self._socket: Socket | None = None
        self._is_open = False
        self.write: Callable[[bytes], None] = _to_nobody  # see ``Transport``
        self.due = 0.0
        self._fragments: list[bytes] | None = None
        self._reader: Protocol | None = ServerProtocol(
            extensions=None, max_size=self.endpoint.limits.max_payload, logger=_quiet
        )

    # -- what the event loop and uvicorn call ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The upgraded connection."""
        self._tcp = cast(asyncio.Transport, transport)
        self._tcp.set_write_buffer_limits(high=self.high_water)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client; the first are the request."""
        reader = self._reader or self._borrow()
        if reader.eof_sent:  # closing: nothing more is listened to
            return
        self._reader = reader
        reader.receive_data(data)
        for happening in reader.events_received():
            if isinstance(happening, Request):
                self._accept(cast(ServerProtocol, reader), happening)
            else:
                self._frame_received(cast(Frame, happening), reader)
        self._flush(reader)

    def eof_received(self) -> bool | None:
        """The client sends no more: close."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._shut()
        self._connections.discard(self)
        self._reader = self._fragments = None
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.lost(self)

    def pause_writing(self) -> None:
        """The client does not keep up."""
        if self._is_open:
            self.write = self._write_if_bearable

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._is_open:
            self.write = self._tcp.write
        if self._socket is not None:
            self._socket.on_writable()

    def shutdown(self) -> None:
        """The server is stopping: the client is to come back, to it or to another."""
        self.close()

    # -- what the socket calls ---------------------------------------------------------------------------------------

    def buffered(self) -> int:
        """See ``Transport``."""
        return self._tcp.get_write_buffer_size()

    def close(self) -> None:
        """See ``Transport``. The client has ``LINGER_SECONDS`` to take what stands before it."""
        if self._is_open:
            self._shut()
            self._tcp.write(GOING_AWAY)
        self._tcp.close()
        self.endpoint.wheel.put(self, self.endpoint.now() + LINGER_SECONDS)

    def abort(self) -> None:
        """See ``Transport``."""
        self._shut()
        self._tcp.abort()

    def on_time(self, now: float) -> None:
        """Lingered long enough. Nothing happens when the connection is gone already."""
        self._tcp.abort()

    # -- writing -----------------------------------------------------------------------------------------------------

    def _write_if_bearable(self, frames: bytes) -> None:
        """``write`` for a client that does not keep up."""
        if self._tcp.get_write_buffer_size() <= self.max_buffered:
            self._tcp.write(frames)
        elif self._socket is not None:
            self._socket.fall_behind()

    def _shut(self) -> None:
        """No frame is written any more."""
        self._is_open = False
        self.write = _to_nobody

    # -- reading -----------------------------------------------------------------------------------------------------

    def _borrow(self) -> Protocol:
        spare = self._spare
        return spare.pop() if spare else Protocol(SERVER, max_size=self.endpoint.limits.max_payload, logger=_quiet)

    def _accept(self, reader: ServerProtocol, request: Request) -> None:
        path, _, query = request.path.partition("?")
        try:
            if path not in PATHS:
                raise BadRequestError(3, "Not found", status=404)
            response = reader.accept(request)
            if response.status_code != 101:
                reader.send_response(response)
                return
            self._socket = self.endpoint.admit(query_of(query), self, self._address(request))
        except BadRequestError as refused:
            response = reader.reject(refused.status, refused.message)
            if refused.retry_after is not None:
                response.headers["Retry-After"] = str(refused.retry_after)
            reader.send_response(response)
            return
        reader.send_response(response)
        self._is_open = True
        # Of a client that has left an answer unread the event loop may have said so to whoever had the connection then.
        is_behind = self._tcp.get_write_buffer_size() > 0
        self.write = self._write_if_bearable if is_behind else self._tcp.write
        # One write for the answer and the greeting: a system call is most of what either costs.
        greeting = self._socket.greeting() if self._socket.transport is self else b""
        self._tcp.write(b"".join([*reader.data_to_send(), greeting]))

    def _address(self, request: Request) -> str | None:
        gate = self.endpoint.gate
        if gate is None:
            return None
        peer = self._tcp.get_extra_info("peername")
        return gate.address(peer[0] if peer else None, request.headers.get_all("X-Forwarded-For"))

    def _frame_received(self, frame: Frame, reader: Protocol) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._text_received(frame)
        elif frame.opcode in (Opcode.PING, Opcode.PONG):
            # The library has answered; what a client can have answered is bounded like its packets.
            self._tally()
        elif frame.opcode is Opcode.BINARY:
            # Nobody has binary events here, and Engine.IO has no other use for them.
            self._shut()
            reader.fail(CloseCode.UNSUPPORTED_DATA)

    def _text_received(self, frame: Frame) -> None:
        data = bytes(frame.data)
        if self._fragments is not None:
            self._fragments.append(data)
            if not frame.fin:
                self._tally()  # pieces may be empty, so the bound on their sum does not bound their number
                return
            data, self._fragments = b"".join(self._fragments), None
        elif not frame.fin:
            self._fragments = [data]
            return
        if self._socket is not None and self._is_open:
            self._socket.receive(self, data)

    def _tally(self) -> None:
        if self._socket is not None:
            self._socket.tally()

    def _flush(self, reader: Protocol) -> None:
        """Sends what the reader has to say (the handshake, pongs, close) and returns the reader if it is done with."""
        if reader.state is not OPEN:
            self._shut()
        for data in reader.data_to_send():
            if self._tcp.is_closing():
                break
            if data:
                self._tcp.write(data)
            else:
                self._tcp.close()
        # The library's reader holds no state of ours between two messages, so the next socket can have it.
        if reader.state is OPEN and not reader.reader.buffer and self._fragments is None and self._reader is reader:
            self._reader = None
            if type(reader) is Protocol and len(self._spare) < MAX_SPARE_READERS:
                self._spare.append(reader)


def _to_nobody(frames: bytes) -> None:
    """``write`` before the connection is open, and once it is closing."""


def websocket_class(endpoint: Endpoint) -> type[WebSocket]:
    """The class to give uvicorn: ``Config(ws=websocket_class(endpoint))``."""
    most = endpoint.limits.max_buffered
    shared = {"endpoint": endpoint, "max_buffered": most, "high_water": min(HIGH_WATER, most)}
    return type("EndpointWebSocket", (WebSocket,), {**shared, "__slots__": (), "_spare": []})
