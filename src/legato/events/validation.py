"""Checking a body against its declared shape, and saying what is wrong in words a caller can act on.

The check is strict about types and never converts: what passed is stored as it came, with the keys the shape does not
know. The few spellings that are tolerated (an ``event_id`` given as text) are put right before it, by an entry's
``adapt``.
"""

from __future__ import annotations

import re
from functools import cache
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import msgspec

from legato.events.envelope import JsonObject
from legato.events.refusal import InvalidInput, InvalidParameter

Body = type[msgspec.Struct] | UnionType
"""A Struct, or a union of Structs told apart by a tag field."""


def check(body: JsonObject, shape: Body) -> None:
    """Raises InvalidInput, naming the field, when ``body`` is not of that shape."""
    try:
        if isinstance(shape, type):
            msgspec.convert(body, shape)
        else:
            msgspec.convert({_HELD: body}, _holder(shape))
    except msgspec.ValidationError as error:
        raise _complaint(str(error), shape) from error


_HELD = "body"


@cache
def _holder(shape: UnionType) -> type[msgspec.Struct]:
    """A Struct around a union: msgspec keeps what it learned of a Struct, and learns a bare union anew in each call."""
    return msgspec.defstruct("Holder", [(_HELD, shape)])


def check_size(body: JsonObject, most: int) -> None:
    """Raises InvalidInput when ``body`` is longer than ``most`` bytes of JSON, or cannot be written as JSON."""
    try:
        size = len(msgspec.json.encode(body))
    except RecursionError as error:
        raise InvalidInput.of("body", "is nested too deeply") from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidInput.of("body", f"cannot be written as JSON: {error}") from error
    if size > most:
        raise InvalidInput.of("body", f"must be at most {most} bytes of JSON")


# msgspec's message: a reason, then ` - at `$.path`` when the fault is below the top.
_MESSAGE = re.compile(r"(?P<reason>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
_TYPE = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `[^`]+`")
_LENGTH = re.compile(r"Expected `(?P<what>str|array|object)` of length (?P<sign>[<>])= (?P<bound>\d+)")
_RANGE = re.compile(r"Expected `(?:int|float)` (?P<sign>[<>])=? (?P<bound>\S+)")
_PATTERN = re.compile(r"Expected `str` matching regex (?P<pattern>.+)", re.DOTALL)
_CHOICE = re.compile(r"Invalid (?:enum )?value ", re.DOTALL)
_INDEX = re.compile(r"\[(?P<index>\d+|\.\.\.)\]")

_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}
_UNITS = {"str": "characters", "array": "items", "object": "keys"}


def _complaint(message: str, shape: Any) -> InvalidInput:
    """What msgspec found, as the API's invalid parameter."""
    found = _MESSAGE.fullmatch(message)
    reason, path = (found["reason"], found["path"] or "") if found else (message, "")
    if not isinstance(shape, type):
        path = path.removeprefix("." + _HELD)
    missing = _MISSING.fullmatch(reason)
    if missing:
        path += "." + missing["field"]
    name = "body" + _INDEX.sub(r".\g<index>", path)
    return InvalidInput(invalid=(InvalidParameter(name, f'"{name}" {_words(reason, path, shape)}'),))


def _words(reason: str, path: str, shape: Any) -> str:
    """The reason, as the continuation of the quoted name."""
    if _MISSING.fullmatch(reason):
        return "is required"
    if found := _TYPE.fullmatch(reason):
        wanted = [_NAMES.get(each, each) for each in found["wanted"].split(" | ")]
        return f"must be {' or '.join(wanted)}"
    if found := _LENGTH.fullmatch(reason):
        if found["sign"] == ">" and found["bound"] == "1":
            return "must not be empty"
        return f"must have at {_most(found['sign'])} {found['bound']} {_UNITS[found['what']]}"
    if found := _RANGE.fullmatch(reason):
        return f"must be at {_most(found['sign'])} {found['bound'].removesuffix('.0')}"
    if found := _PATTERN.fullmatch(reason):
        return f"must match {found['pattern']}"
    if _CHOICE.match(reason):
        choices = dict.fromkeys(str(each) for each in _choices(shape, path))
        return f"must be one of {', '.join(choices)}" if choices else "is not one of the allowed values"
    return reason


def _most(sign: str) -> str:
    return "most" if sign == "<" else "least"


def _choices(shape: Any, path: str) -> list[Any]:
    """The values allowed at ``path`` (``.asr.timeout_reason``): those of a Literal, or the tags of a union."""
    shapes = [shape]
    for name in re.findall(r"[^.\[\]]+", path):
        if name.isdigit() or name == "...":
            shapes = [item for each in _alternatives(shapes) for item in get_args(each)[:1]]
            continue
        structs = [
            each for each in _alternatives(shapes) if isinstance(each, type) and issubclass(each, msgspec.Struct)
        ]
        if name in {each.__struct_config__.tag_field for each in structs}:
            return [each.__struct_config__.tag for each in structs]
        shapes = [field.type for each in structs for field in msgspec.structs.fields(each) if field.encode_name == name]
    return [value for each in _alternatives(shapes) if get_origin(each) is Literal for value in get_args(each)]


def _alternatives(shapes: list[Any]) -> list[Any]:
    """The members of every union among ``shapes``, without the names Annotated gives them."""
    flat: list[Any] = []
    for each in shapes:
        origin = get_origin(each)
        if origin is UnionType or str(origin) == "typing.Union":
            flat.extend(_alternatives(list(get_args(each))))
        elif hasattr(each, "__metadata__"):
            flat.extend(_alternatives([each.__origin__]))
        else:
            flat.append(each)
    return flat
