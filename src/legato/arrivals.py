"""Requests on their way in and answers on their way out: uvicorn's HTTP connection, with bounds on either.

::

    connected ─▶ head ─▶ body ─▶ whole      in PATIENCE_SECONDS, and a second more for each SLOWEST bytes that came
                 └─ at most MAX_HEAD bytes ─▶ 431
    answer ─▶ more than the kernel takes    SLOWEST bytes a second are read, looked at every PATIENCE_SECONDS

uvicorn waits for ever for a request, and keeps a head of any size. Somebody without a token could thus take every file
descriptor with connections that say nothing, or all memory with one that never stops naming fields. It waits for ever
for the reader of an answer, too, and an answer may be 30 MB large. What is known of a whole request is bounded where it
is read (``legato.api.body``).
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# From the first byte, or from the connection, to a request that is whole; and between two looks at an answer that waits
# for its reader. A browser opens spare connections and drops them after some seconds without a word.
PATIENCE_SECONDS: Final = 20.0
# Bytes that buy another second, either way: what a poor mobile connection still does when a picture is sent over it.
SLOWEST: Final = 2_048
# A token of 12 kB, in the URL or in a header, and what browsers and proxies add. Others stop at 8 to 64 kB.
MAX_HEAD: Final = 64 * 1024

_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"access-control-allow-origin: *\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


class Arrivals(HttpToolsProtocol):
    """One client's HTTP connection: ``Config(http=Arrivals)``."""

    patience = PATIENCE_SECONDS
    max_head = MAX_HEAD

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_arriving = True  # somebody may send, or is sending, a request that is not whole
        self._begun = 0.0
        self._taken = 0  # bytes of the request so far, and how many of them are its body
        self._body = 0
        self._timer: asyncio.TimerHandle | None = None
        self._outgoing: asyncio.TimerHandle | None = None  # an answer waits for its reader
        self._unread = 0  # bytes of it when that was last looked at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected."""
        super().connection_made(transport)
        self._begin()
        self._wait(self.patience)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, of several, or of part of one."""
        if not self._is_arriving:
            self._begin()
        self._taken += len(data)
        super().data_received(data)
        if not self._is_arriving:
            self._stop_waiting()
        elif self._taken - self._body > self.max_head + self._body:
            # More than the body itself around it: a head or a trailer without end, or a body in crumbs.
            self._refuse()
        elif self._timer is None:
            self._wait(self.patience)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if not self._is_arriving:  # behind another in the same bytes
            self._begin()
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Part of a body."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._is_arriving = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is written, though it may not have been read."""
        super().on_response_complete()
        self._see_out()

    def pause_writing(self) -> None:
        """More stands before the client than should."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """The client has read most of it."""
        self._stop_watching()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """No other request came."""
        super().timeout_keep_alive_handler()
        self._see_out()

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP."""
        super().send_400_response(msg)
        self._see_out()

    def handle_websocket_upgrade(self) -> None:
        """The connection is somebody else's from now on."""
        self._stop_watching()
        super().handle_websocket_upgrade()

    def _begin(self) -> None:
        self._is_arriving = True
        self._begun = self.loop.time()
        self._taken = self._body = 0

    def _wait(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._look)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Whether the request has come as far as it should have by now."""
        self._timer = None
        left = self._begun + self.patience + self._taken / SLOWEST - self.loop.time()
        if self.flow.read_paused:  # it is us who are slow
            self._begun += self.patience
            self._wait(self.patience)
        elif left > 0:
            self._wait(left)
        else:
            self.transport.abort()

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()
            self._see_out()

    def _see_out(self) -> None:
        """A connection that is closed stays until what was written is read: however little it is, not for ever."""
        if self._outgoing is None and self.transport.is_closing():
            self._watch()

    def _watch(self) -> None:
        self._stop_watching()
        self._unread = self._measure()
        self._outgoing = self.loop.call_later(self.patience, self._look_at_reader)

    def _stop_watching(self) -> None:
        if self._outgoing is not None:
            self._outgoing.cancel()
            self._outgoing = None

    def _look_at_reader(self) -> None:
        """Whether enough has been read since the last look."""
        self._outgoing = None
        if self._unread - self._measure() < self.patience * SLOWEST:
            self.transport.abort()
        else:
            self._watch()

    def _measure(self) -> int:
        """Bytes that the client has yet to take. The kernel's count: it takes more from us in large pieces only."""
        unread = self.transport.get_write_buffer_size()
        tcp = self.transport.get_extra_info("socket")
        if tcp is None or tcp.fileno() < 0:
            return unread
        (queued,) = struct.unpack("i", fcntl.ioctl(tcp.fileno(), termios.TIOCOUTQ, bytes(4)))
        return unread + int(queued)


class Droppable(Arrivals):
    """A connection that the application may end without an answer: ``scope["extensions"]["legato.drop"]["now"]()``.

    For the receiver of ``legato dev``, which shows what comes of that.
    """

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.scope["extensions"] = {"legato.drop": {"now": self.transport.abort}}
