"""A wire without a network: what the server writes lies here until the client reads it, or is lost."""

from __future__ import annotations

import msgspec

from legato.sessions import packet
from legato.sessions.engine import Endpoint, Socket


class Wire:
    """A transport in memory, and the client at its other end."""

    name = "websocket"

    def __init__(self, endpoint: Endpoint, **query: str) -> None:
        self.is_open = True
        self.unread: list[str] = []
        self._max_buffered = endpoint.limits.max_buffered
        self.socket: Socket = endpoint.admit({"EIO": "4", "transport": "websocket"} | query, self)
        self.socket.open()

    def write(self, frames: bytes) -> None:
        """See ``Transport``."""
        if self.is_open:
            if self.buffered() > self._max_buffered:
                self.socket.fall_behind()
                return
            self.unread += [text.decode() for text in packet.unframe(frames)]

    def buffered(self) -> int:
        """See ``Transport``."""
        return sum(map(len, self.unread))

    def close(self) -> None:
        """See ``Transport``."""
        self.is_open = False

    def abort(self) -> None:
        """See ``Transport``: what the client has not read is lost."""
        self.is_open = False
        self.unread.clear()

    def send(self, text: str) -> None:
        """The client sends a packet."""
        self.socket.receive(self, text.encode())

    def read(self, count: int | None = None) -> list[str]:
        """The client reads so many packets, or all."""
        taken, self.unread = self.unread[:count], self.unread[len(self.unread[:count]) :]
        if taken:
            self.socket.on_writable()
        return taken

    def drop(self) -> None:
        """The network goes, and what the client has not read goes with it."""
        self.is_open = False
        self.unread.clear()
        self.socket.lost(self)


def event_in(text: str) -> tuple[str, dict[str, object], int | None] | None:
    """Name, payload and offset of an event packet; None for other packets."""
    if not text.startswith("42"):
        return None
    name, payload, *rest = msgspec.json.decode(text[2:])
    return name, payload, int(rest[0]) if rest else None
