"""The wire format of Engine.IO 4 and Socket.IO 5: packets in, packets out, no I/O.

::

    Engine.IO, one packet per websocket text message          long polling: packets joined by 0x1e
    +------+----------------+
    | type | data           |    0 open  1 close  2 ping  3 pong  4 message  5 upgrade  6 noop
    +------+----------------+    (`b…` is a binary message in base64)

    Socket.IO, the data of an Engine.IO message
    +------+------------------+------------+--------+--------------+
    | type | "<n>-"           | "/name,"   | digits | JSON         |
    +------+------------------+------------+--------+--------------+
      0 CONNECT  1 DISCONNECT   namespace,   ack id   CONNECT, CONNECT_ERROR: object; EVENT, ACK: array
      2 EVENT    3 ACK          "/" when
      4 CONNECT_ERROR           left out     "<n>-" only in 5 BINARY_EVENT and 6 BINARY_ACK

    42["text",{"cid":"CON-…",…},"817"]      a stored event; the last argument is the offset to resume from
    43[]                                    an acknowledgement
    40{"sid":"…","pid":"…"}                 the answer to CONNECT

Source: the Engine.IO protocol, revision 4, and the Socket.IO protocol, revision 5. Frames: RFC 6455 5.2.
"""

from __future__ import annotations

import enum
import re
from typing import Any, Final

import msgspec

PING: Final = b"2"
PONG: Final = b"3"
MESSAGE: Final = b"4"
NOOP: Final = b"6"
CLOSE: Final = b"1"
PROBE: Final = b"2probe"
PROBE_ANSWER: Final = b"3probe"
UPGRADE: Final = b"5"
DISCONNECT: Final = b"41"
SEPARATOR: Final = b"\x1e"

# Nobody needs more: the protocol's acknowledgement ids count up from 0 in each connection.
MAX_ACK_DIGITS: Final = 15


class PacketError(ValueError):
    """A packet that no conforming client sends. The message says what is wrong and never quotes the packet."""


class Kind(enum.IntEnum):
    """Socket.IO packet types."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


class Message(msgspec.Struct, frozen=True):
    """A Socket.IO packet. ``data`` is the decoded JSON: an object, an array, or None where there was none."""

    kind: Kind
    namespace: str = "/"
    ack: int | None = None
    data: Any = None


class Recovery(msgspec.Struct, frozen=True):
    """Where a client that connects again says it is (connection state recovery).

    ``pid`` is what it was given, and is given again; ``after`` the commit number it goes on from. Both are None when it
    said nothing of an earlier connection.
    """

    pid: str | None = None
    after: int | None = None


class Opening(msgspec.Struct, frozen=True, rename="camel"):
    """The first packet of an Engine.IO connection. Times are in milliseconds, ``max_payload`` in bytes."""

    sid: str
    upgrades: tuple[str, ...]
    ping_interval: int
    ping_timeout: int
    max_payload: int


class Connected(msgspec.Struct, frozen=True):
    """The answer to CONNECT. A client that is given a ``pid`` returns it, with its offset, when it reconnects."""

    sid: str
    pid: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_DIGITS = frozenset(b"0123456789")
_SHAPE: dict[Kind, type] = {Kind.CONNECT: dict, Kind.EVENT: list, Kind.ACK: list, Kind.CONNECT_ERROR: dict}


def parse_message(data: bytes) -> Message:
    """The Socket.IO packet in an Engine.IO message. Raises PacketError."""
    kind = _kind(data)
    if kind in (Kind.BINARY_EVENT, Kind.BINARY_ACK):
        raise PacketError("binary packets are not spoken here")
    namespace, at = _namespace(data)
    start = at
    while at < len(data) and data[at] in _DIGITS:
        at += 1
    if at - start > MAX_ACK_DIGITS:
        raise PacketError("an acknowledgement id is too long")
    ack = int(data[start:at]) if at > start else None
    body = _json(data[at:]) if at < len(data) else None
    _check(kind, ack, body)
    return Message(kind, namespace, ack, body)


def _kind(data: bytes) -> Kind:
    if not data or data[0] not in _DIGITS or data[0] - 48 > Kind.BINARY_ACK:
        raise PacketError("unknown packet type")
    return Kind(data[0] - 48)


def _namespace(data: bytes) -> tuple[str, int]:
    """The namespace, and where what follows it begins. Its query, which old clients send, is not part of it."""
    if data[1:2] != b"/":
        return "/", 1
    comma = data.find(b",")
    end = len(data) if comma < 0 else comma
    try:
        return data[1:end].decode().partition("?")[0], min(end + 1, len(data))
    except UnicodeDecodeError as error:
        raise PacketError("a namespace is not UTF-8") from error


def _json(data: bytes) -> Any:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PacketError("a payload is not JSON") from error


def _check(kind: Kind, ack: int | None, body: object) -> None:
    shape = _SHAPE.get(kind)
    if body is not None and (shape is None or not isinstance(body, shape)):
        raise PacketError(f"the payload of {kind.name} has the wrong shape")
    if kind is Kind.EVENT and not (isinstance(body, list) and body and isinstance(body[0], str)):
        raise PacketError("an EVENT has no name")
    if kind is Kind.ACK and (ack is None or body is None):
        raise PacketError("an ACK acknowledges nothing")


_PID = re.compile(r"([0-9]{1,18})\.[0-9a-f-]{36}\Z", re.ASCII)
_OFFSET = re.compile(r"[0-9]{1,18}\Z", re.ASCII)


def new_pid(head: int, uuid: str) -> str:
    """A pid that remembers where the log was when it was given: ``817.<uuid>``."""
    return f"{head}.{uuid}"


def recovery_of(data: Any) -> Recovery:
    """What the data of a CONNECT packet says of an earlier connection; what we cannot have made is ignored.

    A client that returns a pid without an offset has received no stored event since it was given that pid: it goes on
    from where the log was then.
    """
    said = data if isinstance(data, dict) else {}
    pid, offset = said.get("pid"), said.get("offset")
    made = _PID.match(pid) if isinstance(pid, str) else None
    if made is None:
        return Recovery()
    if isinstance(offset, str) and _OFFSET.match(offset):
        return Recovery(pid, int(offset))
    return Recovery(pid, int(made[1]))


def open_packet(opening: Opening) -> bytes:
    """``0{"sid":…}``."""
    return b"0" + _encode(opening)


def connected_packet(connected: Connected) -> bytes:
    """``40{"sid":…,"pid":…}``."""
    return b"40" + _encode(connected)


def connect_error_packet(namespace: str, message: str) -> bytes:
    """``44/name,{"message":…}``."""
    return b"44" + namespace.encode() + b"," + _encode({"message": message})


def event_packet(name: str, payload: bytes, offset: int | None = None) -> bytes:
    """``42["name",payload,"offset"]``; ``payload`` is JSON. Without an offset the client will not resume from it."""
    if offset is None:
        return b"".join((b"42[", _encode(name), b",", payload, b"]"))
    return b'42[%b,%b,"%d"]' % (_encode(name), payload, offset)


def frame(packet: bytes) -> bytes:
    """A packet as one websocket text frame from server to client: unmasked, whole, uncompressed (RFC 6455 5.2)."""
    size = len(packet)
    if size < 126:
        return b"\x81" + size.to_bytes(1) + packet
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2) + packet
    return b"\x81\x7f" + size.to_bytes(8) + packet


def unframe(frames: bytes) -> list[bytes]:
    """The packets in a run of frames that ``frame`` made: for what carries packets otherwise than in frames."""
    packets = []
    at = 0
    while at < len(frames):
        size, at = frames[at + 1], at + 2
        if size == 126:
            size, at = int.from_bytes(frames[at : at + 2]), at + 2
        elif size == 127:
            size, at = int.from_bytes(frames[at : at + 8]), at + 8
        packets.append(frames[at : at + size])
        at += size
    return packets
