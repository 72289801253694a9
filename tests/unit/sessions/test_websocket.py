"""The protocol class fed by hand: however its bytes come, and whatever they are."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legato.events import RandomIds
from legato.sessions.engine import MAX_BUFFERED, Endpoint, Limits, Socket
from legato.sessions.packet import frame, unframe
from legato.sessions.websocket import HIGH_WATER, MAX_SPARE_READERS, WebSocket, websocket_class

REQUEST = (
    b"GET /v2/rtc/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Tcp:
    """What asyncio gives a protocol: keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False
        self.unread = 0
        self.high = 0

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def write(self, data: bytes) -> None:
        assert not self.is_closed, "written to after closing"
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close


class Echo(Socket):
    """A socket that keeps its messages and sends them back."""

    __slots__ = ("messages",)

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments[:3])  # type: ignore[arg-type] # endpoint, sid, transport
        self.messages: list[bytes] = []

    def on_message(self, data: bytes) -> None:
        self.messages.append(data)
        self.send(b"4" + data)


def accepted(max_buffered: int = MAX_BUFFERED, unread: int = 0) -> tuple[WebSocket, Tcp, Endpoint]:
    """A websocket after its handshake."""
    limits = Limits(max_payload=1000, max_packets=50, max_buffered=max_buffered)
    endpoint = Endpoint(Echo, ids=RandomIds(), now=lambda: 1.0, limits=limits)
    tcp = Tcp()
    tcp.unread = unread
    made = websocket_class(endpoint)(config=None, server_state=SimpleNamespace(connections=set()), app_state=None)
    made.connection_made(tcp)  # type: ignore[arg-type] # as much of a transport as is used
    made.data_received(REQUEST)
    assert tcp.written.startswith(b"HTTP/1.1 101 ")
    tcp.written = b""
    return made, tcp, endpoint


def masked(payload: bytes, opcode: int = 1, *, final: bool = True) -> bytes:
    """A frame from client to server (RFC 6455 5.2)."""
    key = os.urandom(4)
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
    body = bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
    return bytes([opcode | (0x80 if final else 0)]) + length + key + body


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces, cut at these places."""
    marks = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *marks], [*marks, len(data)], strict=True)]


@given(
    st.lists(st.text(max_size=300), max_size=8),
    st.lists(st.integers(0), max_size=12),
)
def test_messages_arrive_however_the_network_cuts_them(texts: list[str], places: list[int]) -> None:
    made, tcp, endpoint = accepted()
    (socket,) = endpoint.sockets.values()
    for piece in cut(b"".join(masked(b"4" + text.encode()) for text in texts), places):
        made.data_received(piece)
    assert socket.messages == [text.encode() for text in texts]  # type: ignore[attr-defined] # Echo
    assert unframe(tcp.written) == [b"4" + text.encode() for text in texts]
    assert made._reader is None  # lent only while bytes are in flight


@given(st.lists(st.binary(max_size=200), max_size=6))
@settings(max_examples=300)
def test_whatever_comes_the_connection_ends_or_goes_on(chunks: list[bytes]) -> None:
    made, tcp, endpoint = accepted()
    for chunk in chunks:
        if not tcp.is_closed:
            made.data_received(chunk)
    made.connection_lost(None)
    assert not endpoint.sockets


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 2, 8, 9, 10, 3, 11]), st.binary(max_size=100), st.booleans()), max_size=10
    )
)
@settings(max_examples=300)
def test_whatever_frames_come_the_connection_ends_or_goes_on(frames: list[tuple[int, bytes, bool]]) -> None:
    made, tcp, endpoint = accepted()
    for opcode, payload, final in frames:
        if not tcp.is_closed:
            made.data_received(masked(payload, opcode, final=final))
    if tcp.is_closed:
        made.write(frame(b"2"))  # nothing is written any more, and nothing raised
    made.connection_lost(None)
    assert not endpoint.sockets


def test_readers_are_shared() -> None:
    made, _, _ = accepted()
    others = [
        type(made)(config=None, server_state=SimpleNamespace(connections=set()), app_state=None) for _ in range(200)
    ]
    for other in others:
        other.connection_made(Tcp())  # type: ignore[arg-type] # as above
        other.data_received(REQUEST)
    half, rest = masked(b"4hello")[:5], b""
    for other in others:
        other.data_received(half)
    assert len({id(other._reader) for other in others}) == 200
    for other in others:
        # A client that goes in the middle of a message takes its reader along; nobody else may get what is in it.
        other.connection_lost(None)
    assert len(made._spare) == 0
    for _ in range(3):
        made.data_received(masked(b"4hello"))
    assert len(made._spare) == 1 <= MAX_SPARE_READERS
    del rest


def test_a_client_that_does_not_keep_up_is_measured_and_one_that_does_is_not() -> None:
    made, tcp, endpoint = accepted()
    assert tcp.high == HIGH_WATER < made.max_buffered
    event = frame(b"42[]")
    tcp.unread = made.max_buffered + 1  # the event loop has not said so: nobody looks
    made.write(event)
    made.pause_writing()
    tcp.unread = made.max_buffered
    made.write(event)
    made.resume_writing()
    tcp.unread = made.max_buffered + 1
    made.write(event)
    assert (tcp.written, endpoint.cut_slow) == (event * 3, 0)
    made.pause_writing()
    made.write(event)
    assert (tcp.written, tcp.is_closed, endpoint.cut_slow) == (event * 3, True, 1)
    for late in (made.resume_writing, made.pause_writing):
        late()
        made.write(event)  # to nobody
    assert not endpoint.sockets


def test_a_client_that_had_left_an_answer_unread_before_it_asked_for_a_websocket_is_measured() -> None:
    made, tcp, endpoint = accepted(unread=1)
    event = frame(b"42[]")
    made.write(event)
    assert (tcp.written, endpoint.cut_slow) == (event, 0)
    tcp.unread = made.max_buffered + 1
    made.write(event)
    assert (tcp.written, tcp.is_closed, endpoint.cut_slow) == (event, True, 1)


def test_a_bound_below_the_event_loops_own_mark_is_kept() -> None:
    made, tcp, _ = accepted(max_buffered=1000)
    assert tcp.high == made.max_buffered == 1000


@pytest.mark.parametrize("path", ["/", "/v2/rtc/metrics", "/v2", "/socket.io/"])
def test_other_paths_are_not_found(path: str) -> None:
    endpoint = Endpoint(Echo, ids=RandomIds(), now=lambda: 1.0, limits=Limits())
    tcp = Tcp()
    made = websocket_class(endpoint)(config=None, server_state=SimpleNamespace(connections=set()), app_state=None)
    made.connection_made(tcp)  # type: ignore[arg-type] # as above
    made.data_received(REQUEST.replace(b"/v2/rtc/", path.encode()))
    assert tcp.written.startswith(b"HTTP/1.1 404 ")
    assert tcp.is_closed
