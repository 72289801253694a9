"""Parts of bodies as a strict decoder wants them: what is there but of another type counts as absent.

The decoder's rules: strings are JSON strings, integers fit 32 bits, booleans are true or false, free objects are
objects, and an optional key is left out when there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from legato.events import JsonObject, Person

T = TypeVar("T")

_INT32: Final = 2**31


def some(value: Any, kind: type[T]) -> T | None:
    """``value`` if it is of that kind."""
    return value if isinstance(value, kind) else None


def word(value: Any) -> str:
    """A string; empty when there is none."""
    return value if isinstance(value, str) else ""


def object_of(value: Any) -> JsonObject:
    """An object; empty when there is none."""
    return value if isinstance(value, dict) else {}


def integer(value: Any, otherwise: int = 0) -> int:
    """An integer of 32 bits."""
    return value if type(value) is int and -_INT32 <= value < _INT32 else otherwise


def number(value: Any, otherwise: float = 0) -> float:
    """A number."""
    return value if type(value) in (int, float) else otherwise


def strings(source: JsonObject, keys: Iterable[str]) -> dict[str, str]:
    """Those of ``keys`` that hold strings."""
    return {key: source[key] for key in keys if isinstance(source.get(key), str)}


def times(value: Any, keys: Iterable[str]) -> dict[str, str]:
    """The moments that happened; a key is there only if it did."""
    return strings(object_of(value), keys)


def user(told: Any, known: Person | None) -> JsonObject:
    """A user, with the two keys that must be there; ``known`` fills in for what the body does not say."""
    told = object_of(told)
    found = {
        "id": word(told.get("id") or told.get("user_id") or (known.id if known else "")),
        "name": word(told.get("name") or (known.name if known else "")),
        **strings(told, ("display_name", "image_url")),
    }
    custom = object_of(told.get("properties")).get("custom_data")
    if custom is None and known is not None:
        custom = known.custom_data
    return {**found, "properties": {"custom_data": custom}} if isinstance(custom, dict) else found


def channel(value: Any) -> JsonObject:
    """A channel with the endpoints the client can decode; others fail its whole event, so they are left out."""
    value = object_of(value)
    told: JsonObject = {"type": word(value.get("type")) or "app", **strings(value, ("id", "knocking_id"))}
    leg_ids = value.get("leg_ids")
    if isinstance(leg_ids, list):
        told["leg_ids"] = [each for each in leg_ids if isinstance(each, str)]
    for end in ("from", "to"):
        known = endpoint(value.get(end))
        if known is not None:
            told[end] = known
    return told


def endpoint(value: Any) -> JsonObject | None:
    """``app``, ``phone``, ``sip`` or ``websocket``; telephones of other kinds are phones."""
    value = object_of(value)
    kind = value.get("type")
    if kind == "app":
        return {"type": "app", **strings(value, ("user",))}
    if kind in ("phone", "pstn", "vbc"):
        called = strings(value, ("number",)) or {"number": word(value.get("extension"))}
        return {"type": "phone", **called} if called["number"] else None
    if kind in ("sip", "websocket") and isinstance(value.get("uri"), str):
        return {"type": kind, "uri": value["uri"], **strings(value, ("username",) if kind == "sip" else ())}
    return None


def audio_settings(value: Any) -> JsonObject | None:
    """The settings, or null: the key must be there either way."""
    value = object_of(value)
    if not isinstance(value.get("enabled"), bool):
        return None
    return {key: value[key] for key in ("enabled", "earmuffed", "muted") if isinstance(value.get(key), bool)}
