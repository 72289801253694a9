"""The content of a message as a strict reader wants it: what belongs to its kind, complete, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from legato.dialects.strict import object_of, strings, word
from legato.events import JsonObject


def message_content(body: JsonObject) -> JsonObject:
    """``message_type`` and the content; empty content where the message was deleted."""
    return _KINDS.get(word(body.get("message_type")), _other)(body)


def _words(body: JsonObject) -> JsonObject:
    return {"message_type": "text", "text": word(body.get("text"))}


def _link(kind: str) -> Callable[[JsonObject], JsonObject]:
    def content(body: JsonObject) -> JsonObject:
        return {"message_type": kind, kind: {"url": word(object_of(body.get(kind)).get("url"))}}

    return content


def _custom(body: JsonObject) -> JsonObject:
    return {"message_type": "custom", "custom": object_of(body.get("custom"))}


def _other(body: JsonObject) -> JsonObject:
    """A kind this client does not know (``random``) is a custom one to it, so that no page has a hole."""
    return {"message_type": "custom", "custom": {key: body[key] for key in body if key != "timestamp"}}


def _location(body: JsonObject) -> JsonObject:
    place = object_of(body.get("location"))
    point = {key: word(place.get(key)) for key in ("longitude", "latitude")}
    return {"message_type": "location", "location": {**point, **strings(place, ("name", "address"))}}


def _template(body: JsonObject) -> JsonObject:
    """``whatsapp`` stands beside the template for this client, wherever it was given."""
    template = object_of(body.get("template"))
    whatsapp = object_of(body.get("whatsapp") or template.get("whatsapp"))
    told: JsonObject = {"name": word(template.get("name"))}
    parameters = template.get("parameters")
    if parameters is not None:
        told["parameters"] = parameters
    return {
        "message_type": "template",
        "template": told,
        "whatsapp": {key: word(whatsapp.get(key)) for key in ("policy", "locale")},
    }


_KINDS: Final[dict[str, Callable[[JsonObject], JsonObject]]] = {
    "text": _words,
    **{kind: _link(kind) for kind in ("image", "audio", "video", "file", "vcard")},
    "custom": _custom,
    "location": _location,
    "template": _template,
}
