"""From bytes and query strings to typed values, with errors in the API's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from legato.auth.capabilities import HTTP_URL
from legato.events.refusal import InvalidInput

T = TypeVar("T")

MAX_FIELDS: Final = 64  # of one query string; no route has a third as many
# Levels of objects and arrays. Whatever passes here is encoded again deeper in the stack, where it must not fail.
MAX_DEPTH: Final = 64


def body_decoder(kind: type[T]) -> Callable[[bytes], T]:
    """Decodes JSON into ``kind``; an empty body counts as ``{}``. Raises InvalidInput naming the field."""
    decode = msgspec.json.Decoder(kind).decode

    def read(raw: bytes) -> T:
        try:
            if not raw.isascii():
                raw.decode("utf-8")  # RFC 8259 8.1, also for keys that nobody reads
            if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
                _check_depth(raw)
            return decode(raw or b"{}")
        except msgspec.ValidationError as error:
            raise invalid(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput("The body is not valid JSON.") from error

    return read


# A text need not end: what no quote closes is taken whole, once, and refused by the decoder.
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def _check_depth(raw: bytes) -> None:
    depth = 0
    for token in _TOKENS.finditer(raw):
        sign = raw[token.start()]
        if sign in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInput(f"The body is nested deeper than {MAX_DEPTH} levels.")
        elif sign in b"]}":
            depth -= 1


def query_decoder(kind: type[T]) -> Callable[[bytes], T]:
    """Reads a query string into ``kind``; empty values count as absent. Raises InvalidInput naming the field."""
    default = msgspec.convert({}, kind) if not _required(kind) else None

    def read(raw: bytes) -> T:
        if not raw and default is not None:
            return default
        try:
            pairs = parse_qsl(raw.decode("ascii"), errors="strict", max_num_fields=MAX_FIELDS)
            if b"%00" in raw and any("\0" in text for pair in pairs for text in pair):
                raise InvalidInput("The query string must not contain a NUL character.")
            return msgspec.convert(dict(pairs), kind, strict=False)
        except msgspec.ValidationError as error:
            raise invalid(error) from error
        except ValueError as error:
            raise InvalidInput("The query string cannot be read.") from error

    return read


def _required(kind: type) -> bool:
    return any(field.required for field in msgspec.structs.fields(kind))


_ERROR = re.compile(r"^(?P<reason>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<field>[^`]*)`")
_KIND = re.compile(r"Expected `(?P<kind>\w+)[^`]*`(?: (?P<bound>of length )?(?P<sign>[<>]=?) (?P<number>\S+))?")
_PATTERN = re.compile(r"Expected `str[^`]*` matching regex (.+)", re.DOTALL)
_KINDS: Final[Mapping[str, str]] = {
    "str": "must be a string",
    "int": "must be an integer",
    "float": "must be a number",
    "bool": "must be a boolean",
    "object": "must be an object",
    "array": "must be an array",
}
_SIGNS: Final[Mapping[str, str]] = {
    ">=": "must be larger than or equal to",
    ">": "must be larger than",
    "<=": "must be less than or equal to",
    "<": "must be less than",
}


def invalid(error: msgspec.ValidationError, *, below: str = "") -> InvalidInput:
    """What msgspec found, as the API's invalid parameter; ``below`` is where in the body it looked."""
    found = _ERROR.match(str(error))
    reason, path = (found["reason"], found["path"] or "") if found else (str(error), "")
    path = ".".join(filter(None, (below, path)))
    field = _FIELD.match(reason)
    if field:
        path = ".".join(filter(None, (path, field["field"])))
        return InvalidInput.of(path, "is required" if field["what"].startswith("missing") else "is not allowed")
    return InvalidInput.of(path or "body", _reason(reason))


URI: Final = r"^[A-Za-z][A-Za-z0-9+.\-]*:[^\s\x00]+$"  # RFC 3986 3, as far as a client could be misled by it
NO_NUL: Final = r"^[^\x00]*$"  # PostgreSQL's text holds every character but this one
_PATTERNS: Final[Mapping[str, str]] = {
    URI: "must be a valid uri",
    HTTP_URL: "must be a valid http or https uri without a user and a password",
    NO_NUL: "must not contain a NUL character",
}


def _reason(text: str) -> str:
    pattern = _PATTERN.match(text)
    if pattern is not None:
        return next((words for known, words in _PATTERNS.items() if repr(known) == pattern[1]), "has an invalid form")
    found = _KIND.match(text)
    if found is None:
        return "must be one of the documented values" if text.startswith("Invalid enum") else "has an invalid form"
    if found["sign"] is None:
        return _KINDS.get(found["kind"], "has an invalid form")
    if found["bound"] is None:
        return f"{_SIGNS[found['sign']]} {found['number']}"
    if found["sign"] == ">=" and found["number"] == "1":
        return "is not allowed to be empty"
    return f"length {_SIGNS[found['sign']]} {found['number']}"


def fields_of(method: str, query: bytes, raw: bytes) -> dict[str, Any]:
    """The values an access list's filters look at: those that the request acts on.

    The query's of what only asks or deletes, else the top level of the body: a value that nobody reads grants nothing.
    """
    try:
        if method in _WITHOUT_BODY:
            return dict(parse_qsl(query.decode("ascii"), max_num_fields=MAX_FIELDS))
        body = msgspec.json.decode(raw) if raw else None
    except (ValueError, RecursionError):
        return {}  # whatever cannot be read grants nothing
    return body if isinstance(body, dict) else {}


_WITHOUT_BODY: Final = frozenset(("GET", "HEAD", "DELETE"))
