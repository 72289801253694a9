"""How much memory events take: 32 kB of JSON can be a megabyte and a half of objects.

Whoever keeps events within a bound of bytes weighs them here. A weight is an estimate from above, and cheap: texts are
asked for their size, and only what is nested is encoded to count what it is made of.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Final

import msgspec

from legato.events.envelope import Event, JsonObject, Person

# Bytes, measured with CPython 3.11 over bodies that are as bad as JSON can be: `[[[[…`, `{"":{"":…`, `[[],[],…`.
_VALUE: Final = 64  # what stands between two commas, with its place in a list or a dictionary: a number, a short text
_LIST: Final = 96
_DICT: Final = 240
_WIDEST: Final = 4  # of a character: one emoji makes a whole text as wide
# A body of more values than this is encoded rather than looked at one by one.
_FEW: Final = 8

_PERSON: Final = 256
_EVENT: Final = 512

_encode = msgspec.json.Encoder().encode


def weigh_data(data: object) -> int:
    """About how many bytes a body, properties or another JSON value takes, at the most."""
    if not isinstance(data, dict) or len(data) > _FEW:
        return 0 if data is None else _nested(data)
    weight = _DICT
    for key, value in data.items():
        weight += getsizeof(key) + (getsizeof(value) if type(value) is str else _nested(value))
    return weight


def weigh_person(person: Person) -> int:
    """The same for a snapshot of a user."""
    return _PERSON + _optional(person.image_url) + weigh_data(person.custom_data)


def weigh_event(event: Event) -> int:
    """The same for an event with the people it remembers."""
    weight = _EVENT + weigh_data(event.body) + weigh_data(event.params)
    if event.user is not None:
        weight += weigh_person(event.user)
    if event.author is not None and event.author.user is not None:
        weight += weigh_person(event.author.user)
    return weight


def _nested(value: JsonObject | object) -> int:
    if value is None or isinstance(value, (bool, int, float)):
        return _VALUE
    encoded = _encode(value)
    commas, lists, dicts = encoded.count(b","), encoded.count(b"["), encoded.count(b"{")
    return _WIDEST * len(encoded) + _VALUE * (commas + 1) + _LIST * lists + _DICT * dicts


def _optional(text: str | None) -> int:
    return 0 if text is None else getsizeof(text)
