"""The wire format: what is parsed is what was meant, and nothing else is parsed."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.sessions.packet import (
    Kind,
    Message,
    PacketError,
    Recovery,
    connect_error_packet,
    event_packet,
    frame,
    new_pid,
    parse_message,
    recovery_of,
    unframe,
)

UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", Message(Kind.CONNECT)),
        ('0{"token":"1"}', Message(Kind.CONNECT, data={"token": "1"})),
        ("0/admin,", Message(Kind.CONNECT, "/admin")),
        ("0/admin", Message(Kind.CONNECT, "/admin")),
        ('0/admin?x=1,{"a":1}', Message(Kind.CONNECT, "/admin", data={"a": 1})),
        ("1", Message(Kind.DISCONNECT)),
        ("1/admin,", Message(Kind.DISCONNECT, "/admin")),
        ('2["a"]', Message(Kind.EVENT, data=["a"])),
        ('2["a",{"b":"1,2"}]', Message(Kind.EVENT, data=["a", {"b": "1,2"}])),
        ('217["a"]', Message(Kind.EVENT, ack=17, data=["a"])),
        ('2/admin,17["a"]', Message(Kind.EVENT, "/admin", 17, ["a"])),
        ("317[]", Message(Kind.ACK, ack=17, data=[])),
        ('4{"message":"no"}', Message(Kind.CONNECT_ERROR, data={"message": "no"})),
    ],
)
def test_a_packet_is_read(text: str, message: Message) -> None:
    assert parse_message(text.encode()) == message


NOT_SPOKEN = ["", "7", "9", "x", "-", "5", '51-["a"]', "61-[]", "2" + "9" * 16 + '["a"]']
WRONG_SHAPE = ["2", "2[]", "2{}", "2[1]", "2[null]", '2"a"', "3", "31", "3[]", "31{}", "0[]", '0"a"', "1[]", "1{}"]
NO_JSON = ["2[", "0x", "2" + "[" * 40000, "2\ud800", "0/\ud800,"]


@pytest.mark.parametrize("text", [*NOT_SPOKEN, *WRONG_SHAPE, *NO_JSON])
def test_what_is_no_packet_is_refused(text: str) -> None:
    with pytest.raises(PacketError):
        parse_message(text.encode(errors="surrogatepass"))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_a_packet_or_an_error(data: bytes) -> None:
    with contextlib.suppress(PacketError):
        assert isinstance(parse_message(data), Message)


@given(st.text(max_size=20), st.dictionaries(st.text(max_size=8), json_values, max_size=4), st.none() | st.integers(0))
def test_an_event_is_read_as_it_was_written(name: str, payload: dict[str, object], offset: int | None) -> None:
    written = event_packet(name, msgspec.json.encode(payload), offset)
    message = parse_message(written[1:])
    assert message == Message(Kind.EVENT, data=[name, payload, *([] if offset is None else [str(offset)])])


def test_a_refused_namespace_is_named() -> None:
    assert connect_error_packet("/elsewhere", "Invalid namespace") == b'44/elsewhere,{"message":"Invalid namespace"}'


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_a_frame_says_how_long_it_is(size: int) -> None:
    packet = b"x" * size
    made = frame(packet)
    assert made[0] == 0x81  # final, text
    assert made[1] < 128  # not masked
    assert made.endswith(packet)
    assert len(made) - size == (2 if size < 126 else 4 if size < 65536 else 10)


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_frames_are_taken_apart_as_they_were_joined(packets: list[bytes]) -> None:
    assert unframe(b"".join(map(frame, packets))) == packets


@pytest.mark.parametrize(
    ("said", "recovery"),
    [
        ({"pid": new_pid(17, UUID), "offset": "20"}, Recovery(new_pid(17, UUID), 20)),
        ({"pid": new_pid(17, UUID)}, Recovery(new_pid(17, UUID), 17)),
        ({"pid": new_pid(17, UUID), "offset": "-1"}, Recovery(new_pid(17, UUID), 17)),
        ({"pid": new_pid(17, UUID), "offset": 20}, Recovery(new_pid(17, UUID), 17)),
        ({"pid": new_pid(17, UUID), "offset": "9" * 30}, Recovery(new_pid(17, UUID), 17)),
        ({"pid": new_pid(17, UUID), "offset": "²"}, Recovery(new_pid(17, UUID), 17)),
        ({"offset": "20"}, Recovery()),
        ({"pid": "made up", "offset": "20"}, Recovery()),
        ({"pid": 17, "offset": "20"}, Recovery()),
        ({}, Recovery()),
        (None, Recovery()),
    ],
)
def test_a_client_goes_on_from_where_it_says_it_was(said: object, recovery: Recovery) -> None:
    assert recovery_of(said) == recovery
