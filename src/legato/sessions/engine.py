"""Engine.IO: one ``Socket`` per connected client, whatever carries its packets.

::

    websocket bytes ─▶ WebSocket ─┐                          ┌─▶ on_message   (Socket.IO: ``connection``)
    GET, POST ──────▶ Polling ────┼─▶ Socket.receive(packet) ┤
    ASGI messages ──▶ AsgiSocket ─┘                          └─▶ heartbeat, upgrade, close

    frames ─▶ Socket.transport.write ─▶ the client

A transport takes runs of ready-made websocket frames (``packet.frame``): the same bytes go to every socket, and only
what is not a websocket takes them apart again. Writing never waits. A client that does not read is cut when
``MAX_BUFFERED`` bytes stand before it; it resumes from where it was.

Source: the Engine.IO protocol, revision 4.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from legato.events.ids import IdSource
from legato.events.refusal import Overloaded
from legato.sessions import packet
from legato.sessions.wheel import Wheel

log = logging.getLogger(__name__)

# The platform's clients were made for these; Engine.IO's own defaults are the same.
PING_INTERVAL_SECONDS: Final = 25.0
PING_TIMEOUT_SECONDS: Final = 20.0
# Clients send CONNECT, pongs and a logout: the largest carries a token or two.
MAX_PAYLOAD: Final = 64 * 1024
# Packets from one client between two pings. One that acknowledged every event would still stay below.
MAX_PACKETS: Final = 2_000
# What may stand before one client that does not read: some thousand events, and 10,000 such clients are cut in time.
MAX_BUFFERED: Final = 1024 * 1024
# Sockets of one node, logged in or not; when there are so many, the oldest of the latter gives way. Each takes some
# kilobytes and a file descriptor.
MAX_SOCKETS: Final = 20_000

_PING_FRAME: Final = packet.frame(packet.PING)
_PONG_FRAME: Final = packet.frame(packet.PONG)
_GOLDEN: Final = 0.6180339887498949  # multiples of it, modulo 1, spread evenly however many there are


class BadRequestError(Exception):
    """A request that cannot become a socket: HTTP status, and Engine.IO's code and message for the body."""

    def __init__(self, code: int, message: str, status: int = 400, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds, for the header of that name
        self.code = code
        self.message = message
        self.status = status


UNKNOWN_TRANSPORT: Final = (0, "Transport unknown")
UNKNOWN_SID: Final = (1, "Session ID unknown")
BAD_METHOD: Final = (2, "Bad handshake method")
BAD_REQUEST: Final = (3, "Bad request")
FORBIDDEN: Final = (4, "Forbidden")
TOO_MANY: Final = (4, "Too many requests")
UNSUPPORTED_VERSION: Final = (5, "Unsupported protocol version")


class Gate(Protocol):
    """What bounds attempts to come in, by the address that they come from."""

    def knock(self, address: str | None) -> None:
        """Somebody is about to open a socket. Raises Overloaded when too many from that address came to nothing."""
        ...

    def welcome(self, address: str | None) -> None:
        """It proved who it is: this knock does not count."""
        ...

    def address(self, peer: str | None, forwarded: Sequence[str]) -> str | None:
        """Where a connection from ``peer`` comes from, given its X-Forwarded-For fields."""
        ...


class Transport(Protocol):
    """What carries packets to one client."""

    @property
    def name(self) -> str:
        """``websocket`` or ``polling``, as in the query."""
        ...

    def write(self, frames: bytes, /) -> None:
        """Sends a run of frames, at once or as soon as the client reads; cuts the client when it is too far behind.

        Nothing is sent, and nothing raised, once it is closing.
        """
        ...

    def buffered(self) -> int:
        """Bytes that the client has yet to take."""
        ...

    def close(self) -> None:
        """Ends the connection after what was written."""
        ...

    def abort(self) -> None:
        """Ends the connection now."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one endpoint grants. Seconds and bytes."""

    ping_interval: float = PING_INTERVAL_SECONDS
    ping_timeout: float = PING_TIMEOUT_SECONDS
    max_payload: int = MAX_PAYLOAD
    max_packets: int = MAX_PACKETS
    max_buffered: int = MAX_BUFFERED
    max_sockets: int = MAX_SOCKETS


class Socket:
    """One client's Engine.IO connection. What is above it subclasses it: one object per client, not three."""

    __slots__ = (
        "_awaiting",
        "_beat",
        "_received",
        "address",
        "due",
        "endpoint",
        "is_open",
        "probe",
        "sid",
        "transport",
    )

    def __init__(self, endpoint: Endpoint, sid: str, transport: Transport) -> None:
        self.endpoint = endpoint
        self.sid = sid
        self.transport = transport
        self.address: str | None = None  # where it comes from, until it has proved who it is
        self.probe: Transport | None = None  # a websocket that may take over from long polling
        self.is_open = True
        self.due = 0.0
        self._awaiting = False  # a ping is not answered yet
        self._beat = 0.0  # when to ping next; while awaiting, when to give up
        self._received = 0  # packets since the last ping

    def open(self) -> None:
        """Greets the client and starts the heartbeat."""
        self.transport.write(self.greeting())

    def greeting(self) -> bytes:
        """The frame that greets the client, for a transport that sends it with something else. Starts the heartbeat."""
        # The first ping comes early by an even spread, so that a crowd that connected at once does not pulse as one.
        now = self.endpoint.now()
        self._beat = now + self.endpoint.limits.ping_interval * (0.5 + 0.5 * self.endpoint.spread())
        self.wake_at(self.next_due(now))
        return packet.frame(self.endpoint.opening(self))

    def receive(self, transport: Transport, data: bytes) -> None:
        """One packet from the client, over ``transport``. Closes the socket when it is not one of the protocol."""
        if not self.is_open or not self.tally():
            return
        if transport is not self.transport:
            self._receive_probe(transport, data)
        elif data[:1] == packet.MESSAGE:
            self.on_message(data[1:])
        elif data == packet.PONG:
            self._pong()
        elif data[:1] == packet.CLOSE:
            self.close("closed by the client")
        elif data[:1] == packet.PING:
            # Revision 4 turned the heartbeat round; a client of revision 3 that slipped through is answered all the
            # same, for it would otherwise hang up.
            self.transport.write(_PONG_FRAME if len(data) == 1 else packet.frame(packet.PONG + data[1:]))
        elif data != packet.NOOP:
            self.close("sent an unknown packet")

    def tally(self) -> bool:
        """Counts something that came from the client. False, and the client is cut, when that is too much."""
        self._received += 1
        if self._received > self.endpoint.limits.max_packets:
            self.cut("sends too much")
        return self.is_open

    def lost(self, transport: Transport) -> None:
        """``transport`` is gone."""
        if transport is self.transport:
            self._end("transport lost")
        elif transport is self.probe:
            self.probe = None

    def close(self, why: str) -> None:
        """Ends the connection after what was written."""
        if self.is_open:
            self._end(why)
            self.transport.close()

    def cut(self, why: str) -> None:
        """Ends the connection now; what the client has not taken is lost to it until it resumes."""
        if self.is_open:
            self._end(why)
            self.transport.abort()

    def fall_behind(self) -> None:
        """Too much stands before a client that does not read: it is cut, and counted."""
        if self.is_open:
            self.endpoint.cut_slow += 1
            self.cut("too far behind")

    def on_time(self, now: float) -> None:
        """Called by the wheel."""
        if not self.is_open:
            return
        if now >= self._beat:
            if self._awaiting:
                self.cut("ping timeout")
                return
            self._ping(now)
        self.on_deadline(now)
        if self.is_open:
            self.wake_at(self.next_due(now))

    def next_due(self, now: float) -> float:
        """When ``on_time`` has to be called next."""
        return self._beat

    def wake_at(self, when: float) -> None:
        """Has ``on_time`` called at ``when``, unless it is going to be called earlier."""
        if not self.due or when < self.due:
            self.endpoint.wheel.put(self, when)

    def reschedule(self) -> None:
        """Something has changed that ``next_due`` depends on."""
        if self.is_open:
            self.wake_at(self.next_due(self.endpoint.now()))

    def vouch(self) -> None:
        """Somebody has logged in: it no longer gives way to newcomers."""
        self.endpoint.strangers.pop(self.sid, None)
        self.excuse()

    def excuse(self) -> None:
        """It had what it takes to log in: its coming does not count against its address."""
        if self.address is not None and self.endpoint.gate is not None:
            self.endpoint.gate.welcome(self.address)
        self.address = None

    def send(self, data: bytes) -> None:
        """Writes one packet."""
        self.transport.write(packet.frame(data))

    def on_message(self, data: bytes) -> None:
        """A message from the client."""

    def on_deadline(self, now: float) -> None:
        """``on_time``, after the heartbeat was seen to."""

    def on_ping(self) -> None:
        """A ping was written."""

    def on_pong(self) -> None:
        """The last ping was answered: everything written before it has arrived."""

    def on_writable(self) -> None:
        """The client has taken most of what stood before it."""

    def on_closed(self) -> None:
        """The connection has ended. Called once."""

    def _ping(self, now: float) -> None:
        self._received = 0
        self._awaiting = True
        self._beat = now + self.endpoint.limits.ping_timeout
        if self.probe is not None:  # it had the time from one ping to the next
            self.probe.abort()
            self.probe = None
        self.transport.write(_PING_FRAME)
        self.on_ping()

    def _pong(self) -> None:
        if not self._awaiting:
            return
        self._awaiting = False
        self._beat += self.endpoint.limits.ping_interval - self.endpoint.limits.ping_timeout
        self.wake_at(self._beat)
        self.on_pong()

    def _receive_probe(self, transport: Transport, data: bytes) -> None:
        """The upgrade: ``2probe`` ─▶ ◀─ ``3probe``, the waiting GET ends with ``6``, ``5`` ─▶ the websocket it is."""
        polling = self.transport
        if transport is not self.probe or not isinstance(polling, Upgradable):
            transport.abort()
        elif data == packet.PROBE:
            transport.write(packet.frame(packet.PROBE_ANSWER))
            polling.pause()
        elif data == packet.UPGRADE:
            self.transport = transport
            self.probe = None
            for frames in polling.hand_over():
                transport.write(frames)
        else:
            self.probe = None
            transport.abort()

    def _end(self, why: str) -> None:
        if not self.is_open:
            return
        self.is_open = False
        log.debug("socket %s: %s", self.sid, why)
        self.endpoint.sockets.pop(self.sid, None)
        self.endpoint.strangers.pop(self.sid, None)
        if self.probe is not None:
            self.probe.abort()
            self.probe = None
        self.on_closed()


class Upgradable:
    """A transport that a websocket may take over from: long polling."""

    __slots__ = ()

    def pause(self) -> None:
        """Lets the waiting request go, and every further one at once."""
        raise NotImplementedError

    def hand_over(self) -> list[bytes]:
        """The frames that were not fetched; from now on there is nothing to fetch."""
        raise NotImplementedError


class Endpoint:
    """The Engine.IO server: admits sockets and knows those that are open."""

    def __init__(
        self,
        make: Callable[[Endpoint, str, Transport, Mapping[str, str]], Socket],
        *,
        ids: IdSource,
        now: Callable[[], float],
        limits: Limits,
        gate: Gate | None = None,
    ) -> None:
        """``make`` builds what stands above a socket from its query. ``now`` is a steady clock, in seconds."""
        self.gate = gate
        self._make = make
        self._ids = ids
        self._count = 0
        self.now = now
        self.limits = limits
        self.wheel = Wheel(now())
        self.sockets: dict[str, Socket] = {}
        self.cut_slow = 0  # sockets that were, since the start
        self.strangers: OrderedDict[str, Socket] = OrderedDict()  # those on which nobody has logged in, oldest first
        self.is_closed = False

    def admit(self, query: Mapping[str, str], transport: Transport, address: str | None = None) -> Socket:
        """The socket that a first request over ``transport`` opens or, for a websocket that names one, may take over.

        A new socket is not greeted yet (``Socket.open``). When the endpoint is full, the oldest stranger makes room for
        it: whoever only ever greets us keeps nobody out. Raises BadRequestError.
        """
        if query.get("EIO") != "4":
            raise BadRequestError(*UNSUPPORTED_VERSION)
        if query.get("transport") != transport.name:
            raise BadRequestError(*UNKNOWN_TRANSPORT)
        sid = query.get("sid")
        if sid is not None:
            socket = self.find(sid)
            if socket.probe is not None or not isinstance(socket.transport, Upgradable):
                raise BadRequestError(*BAD_REQUEST)
            socket.probe = transport
            return socket
        if self.is_closed or (len(self.sockets) >= self.limits.max_sockets and not self._make_room()):
            raise BadRequestError(*FORBIDDEN, status=503)
        self._knock(address)
        sid = self._ids.uuid()
        socket = self._make(self, sid, transport, query)
        socket.address = address
        self.sockets[sid] = self.strangers[sid] = socket
        return socket

    def _knock(self, address: str | None) -> None:
        if self.gate is None:
            return
        try:
            self.gate.knock(address)
        except Overloaded as refusal:
            again = max(1, math.ceil(refusal.retry_after or 0))
            raise BadRequestError(*TOO_MANY, status=refusal.status, retry_after=again) from refusal

    def _make_room(self) -> bool:
        stranger = next(iter(self.strangers.values()), None)
        if stranger is not None:
            stranger.cut("gave way to a newcomer")
        return stranger is not None

    def find(self, sid: str) -> Socket:
        """The open socket of that id. Raises BadRequestError."""
        socket = self.sockets.get(sid)
        if socket is None:
            raise BadRequestError(*UNKNOWN_SID)
        return socket

    def opening(self, socket: Socket) -> bytes:
        """The packet a client is greeted with."""
        return packet.open_packet(
            packet.Opening(
                sid=socket.sid,
                upgrades=("websocket",) if isinstance(socket.transport, Upgradable) else (),
                ping_interval=int(self.limits.ping_interval * 1000),
                ping_timeout=int(self.limits.ping_timeout * 1000),
                max_payload=self.limits.max_payload,
            )
        )

    def spread(self) -> float:
        """Numbers from 0 to 1, evenly spread over those who ask."""
        self._count += 1
        return self._count * _GOLDEN % 1.0

    def close(self) -> None:
        """Closes every socket's connection, for a restart: clients come back. Admits nobody any more."""
        self.is_closed = True
        for socket in list(self.sockets.values()):
            socket.close("the server is going away")
