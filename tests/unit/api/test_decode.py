"""From bytes to typed values, and what is said of those that are wrong."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from legato.api.decode import MAX_DEPTH, NO_NUL, URI, body_decoder, fields_of, query_decoder
from legato.events.refusal import InvalidInput


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=3)]
    count: Annotated[int, Meta(ge=0, le=9)] | None = None


class Body(msgspec.Struct):
    inner: Inner
    items: list[Inner] = []
    free: dict[str, Any] = {}
    kind: Literal["a", "b"] = "a"
    url: Annotated[str, Meta(pattern=URI)] = "x:y"
    text: Annotated[str, Meta(pattern=NO_NUL)] = ""
    flag: bool = False
    ratio: float = 1.0


class Query(msgspec.Struct):
    size: Annotated[int, Meta(ge=1)] = 10
    flag: bool = False
    name: str | None = None


read = body_decoder(Body)


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        ({}, "inner", "is required"),
        ({"inner": 1}, "inner", "must be an object"),
        ({"inner": {}}, "inner.name", "is required"),
        ({"inner": {"name": ""}}, "inner.name", "is not allowed to be empty"),
        ({"inner": {"name": "long"}}, "inner.name", "length must be less than or equal to 3"),
        ({"inner": {"name": "a", "x": 1}}, "inner.x", "is not allowed"),
        ({"inner": {"name": "a", "count": 10}}, "inner.count", "must be less than or equal to 9"),
        ({"inner": {"name": "a", "count": -1}}, "inner.count", "must be larger than or equal to 0"),
        ({"inner": {"name": "a", "count": 1.5}}, "inner.count", "must be an integer"),
        ({"inner": {"name": "a"}, "items": {}}, "items", "must be an array"),
        ({"inner": {"name": "a"}, "items": [{"name": 1}]}, "items[0].name", "must be a string"),
        ({"inner": {"name": "a"}, "kind": "c"}, "kind", "must be one of the documented values"),
        ({"inner": {"name": "a"}, "url": "a b"}, "url", "must be a valid uri"),
        ({"inner": {"name": "a"}, "text": "\x00"}, "text", "must not contain a NUL character"),
        ({"inner": {"name": "a"}, "flag": 1}, "flag", "must be a boolean"),
        ({"inner": {"name": "a"}, "ratio": "1"}, "ratio", "must be a number"),
        ([], "body", "must be an object"),
    ],
)
def test_a_wrong_field_is_named(body: Any, name: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(msgspec.json.encode(body))
    (parameter,) = caught.value.invalid
    assert (parameter.name, parameter.reason) == (name, f'"{name}" {reason}')


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    # Whatever else a decoder may raise would be answered as a 500.
    with contextlib.suppress(InvalidInput):
        assert isinstance(read(raw), Body)


@given(st.binary(max_size=60))
def test_any_query_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        assert query_decoder(Query)(raw).size >= 1


def test_a_query_is_converted_and_empty_values_are_absent() -> None:
    assert query_decoder(Query)(b"size=7&flag=true&name=") == Query(7, True, None)
    assert query_decoder(Query)(b"") == Query()
    assert query_decoder(Query)(b"name=null") == Query(name="null")


def test_a_query_of_too_many_fields_is_refused() -> None:
    with pytest.raises(InvalidInput):
        query_decoder(Query)(b"&".join(b"a=%d" % number for number in range(65)))


def test_the_fields_of_a_request_are_those_it_acts_on() -> None:
    assert fields_of("GET", b"a=1", b'{"b": 2}') == {"a": "1"}
    assert fields_of("POST", b"a=1", b'{"b": 2}') == {"b": 2}
    assert fields_of("POST", b"a=1", b"") == {}
    assert fields_of("PATCH", b"a=1", b"{") == {}
    assert fields_of("POST", b"", b"[1]") == {}
    assert fields_of("GET", b"\xff", b"") == {}


@pytest.mark.parametrize(("opens", "closes"), [("{", "}"), ("[", "]")])
def test_a_body_may_be_nested_so_deep_and_no_deeper(opens: str, closes: str) -> None:
    def nested(levels: int) -> bytes:
        value = '{"a":' * levels + "1" + "}" * levels if opens == "{" else opens * levels + closes * levels
        return f'{{"inner": {{"name": "a"}}, "free": {{"x": {value}}}}}'.encode()

    assert read(nested(MAX_DEPTH - 2)).free
    for levels in (MAX_DEPTH - 1, 5_000):
        with pytest.raises(InvalidInput, match="nested deeper"):
            read(nested(levels))


def test_brackets_in_texts_and_side_by_side_are_no_depth() -> None:
    text = '[{"' * 100 + "\\"
    body = {"inner": {"name": "a"}, "free": {"x": text, "y": [{} for _ in range(200)]}}
    assert read(msgspec.json.encode(body)).free == body["free"]
