"""The catalogue for machines: JSON Schema and AsyncAPI of everything that leaves the server as an event.

An event leaves by one of three sinks: ``webhook`` (as it was made), ``log`` (an item of a list of events) and
``socket`` (the argument of a session's packet). All is derived from the entries; nothing is listed here again.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache, partial
from typing import Any, Final

import msgspec

from legato import __version__
from legato.events import CATALOGUE, MAX_EVENT_ID, Audience, Effect, EventType, JsonObject, Storage


class Sink(StrEnum):
    """Where an event goes."""

    WEBHOOK = "webhook"
    LOG = "log"
    SOCKET = "socket"


_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_TIME: Final = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_CONVERSATION: Final = {"type": "string", "pattern": "^CON-" + _UUID}
_MEMBER: Final = {"type": "string", "pattern": "^MEM-" + _UUID}
_KNOCKER: Final = {"type": "string", "pattern": "^knocker:" + _UUID}
_NUMBER: Final = {"type": "integer", "minimum": 1, "maximum": MAX_EVENT_ID}
_NEVER: Final = False  # JSON Schema: no value is valid, so the key must be absent

_PEOPLE: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "from_user": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "pattern": "^USR-" + _UUID},
                "name": {"type": "string"},
                "display_name": {"type": "string"},
                "image_url": {"type": "string"},
                "custom_data": {"type": "object"},
            },
            "required": ["id", "name"],
        },
        "from_member": {"type": "object", "properties": {"id": _MEMBER}, "required": ["id"]},
    },
}
_STATE: Final[JsonObject] = {
    "type": ["object", "null"],
    "propertyNames": {"enum": [effect.value for effect in Effect if effect.is_receipt]},
    "additionalProperties": {"type": "object", "additionalProperties": _TIME},
}
_DELETED: Final[JsonObject] = {
    "type": "object",
    "properties": {
        "message_type": {"type": "string"},
        "timestamp": {"type": "object", "properties": {"deleted": _TIME}, "required": ["deleted"]},
    },
    "required": ["timestamp"],
}
_SILENCED: Final[JsonObject] = {
    "title": "The edit of a deleted text",
    "description": "The words are gone with those of the text.",
    "type": "object",
    "properties": {"text": {"const": ""}, "original_event_id": {"type": "integer", "minimum": 1}},
    "required": ["text", "original_event_id"],
    "additionalProperties": False,
}


def json_schema() -> JsonObject:
    """A JSON Schema (2020-12) of every webhook request; ``$defs`` has each type at each sink: ``socket.text.seen``."""
    definitions = _definitions("#/$defs/")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Legato events",
        "anyOf": [{"$ref": f"#/$defs/{_key(entry, Sink.WEBHOOK)}"} for entry in CATALOGUE if entry.webhook],
        "$defs": definitions,
    }


def asyncapi() -> JsonObject:
    """An AsyncAPI 3.0 document: what sessions hear and what webhooks are sent."""
    heard = [entry for entry in CATALOGUE if _goes_to(entry, Sink.SOCKET)]
    posted = [entry for entry in CATALOGUE if entry.webhook]
    channels = {
        "session": _channel(
            heard,
            Sink.SOCKET,
            "/v2/rtc",
            "A Socket.IO session. The event's name is its type, its one object is the payload. Sessions of the chat "
            "dialect hear texts and images as messages.",
        ),
        # AsyncAPI 3.0: null means that the address is known at run time only, here from the application's settings.
        "webhook": _channel(posted, Sink.WEBHOOK, None, "The application's event URL, and a conversation's callback."),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Legato events",
            "version": __version__,
            "description": "What happens in conversations, as sessions and webhooks are told. "
            "Legato is not affiliated with Vonage.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            "tellSessions": _operation("session", "Every event of a conversation, to the sessions of its members."),
            "postWebhooks": _operation("webhook", "Every event of an application; answered with any 2xx status."),
        },
        "components": {
            "messages": {
                _key(entry, sink): {
                    "name": entry.name,
                    "title": entry.name,
                    "summary": entry.summary,
                    "payload": {"$ref": f"#/components/schemas/{_key(entry, sink)}"},
                    "examples": [{"payload": example(entry, sink)}],
                }
                for sink, entries in ((Sink.SOCKET, heard), (Sink.WEBHOOK, posted))
                for entry in entries
            },
            "schemas": _definitions("#/components/schemas/"),
        },
    }


def example(entry: EventType, sink: Sink) -> JsonObject:
    """A whole event of that type, with invented values."""
    conversation = "CON-7a3c1f60-2b4e-4d7a-9c55-10e0f4a8b001"
    member = "MEM-3c9d0a7e-61f2-4a1b-8d90-77c1e2f4a001"
    told: JsonObject = {
        "application_id": "6e0b2c9d-3f47-4a85-8c1e-2d9f60b7a001",
        "timestamp": "2026-03-04T09:15:00.000Z",
        "body": entry.example,
    }
    if sink is not Sink.SOCKET:
        told = {"type": entry.name.replace("*", "example"), **told}
    if entry.storage is Storage.APPLICATION:
        return {**told, "from": "knocker:2a7d91c4-0e6b-4f38-b1d5-94c3e8f2a001"} if entry.knocker else told
    told["cid" if sink is Sink.SOCKET else "conversation_id"] = conversation
    if entry.storage is Storage.LOG:
        told["id"] = 15
    if entry.audience is Audience.SESSION:
        return (
            told if sink is Sink.SOCKET else {**told, "session_destination": "SES-c5f8e0a3-17b2-49d6-a4e9-6b8d3c1fa001"}
        )
    told["from"] = member
    told["_embedded"] = {
        "from_user": {"id": "USR-9f1b7c22-0d5e-4e63-b7a8-52a6d3c0a001", "name": "grace", "display_name": "Grace"},
        "from_member": {"id": member},
    }
    if sink is Sink.LOG:
        told["state"] = {Effect.DELIVERED.value: {}, Effect.SEEN.value: {}} if entry.acknowledged else None
    return told


def validate_event(event: bytes | str | JsonObject, sink: Sink | str) -> None:
    """Raises ValueError, saying where, when ``event`` is not what its type promises at that sink.

    For the socket sink add the packet's name as ``type``. Meant for tests: needs the package's ``test`` extra.
    """
    told = event if isinstance(event, dict) else msgspec.json.decode(event, type=dict[str, Any])
    entry = CATALOGUE.get(str(told.get("type")))
    if entry is None:
        raise ValueError(f"{told.get('type')!r} is no event type")
    if not _goes_to(entry, Sink(sink)):
        raise ValueError(f"{entry.name} has no place at {sink}")
    faults = sorted(_validator(_key(entry, Sink(sink))).iter_errors(told), key=lambda fault: fault.json_path)
    if faults:
        raise ValueError(
            f"{told['type']} at {sink}: " + "; ".join(f"{each.json_path} {each.message}" for each in faults)
        )


@cache
def _validator(key: str) -> Any:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # of the test extra, without stubs

    return Draft202012Validator({"$ref": f"#/$defs/{key}", "$defs": _definitions("#/$defs/")})


def _goes_to(entry: EventType, sink: Sink) -> bool:
    """Whether such events are told there. Every type has its form as made, even one that is posted to no webhook."""
    if sink is Sink.SOCKET:
        return entry.audience is not Audience.NONE
    return sink is Sink.WEBHOOK or entry.storage is Storage.LOG


def _key(entry: EventType, sink: Sink) -> str:
    # AsyncAPI 3.0: component names have letters, digits, dots, hyphens and underscores only.
    return f"{sink.value}.{entry.name.removesuffix(':*').replace(':', '.')}"


@cache
def _definitions(prefix: str) -> JsonObject:
    shaped = [entry for entry in CATALOGUE if entry.body is not None]
    bodies, parts = msgspec.json.schema_components([entry.body for entry in shaped], ref_template=prefix + "{name}")
    by_name = {entry.name: body for entry, body in zip(shaped, bodies, strict=True)}
    for body in bodies:
        body.pop("discriminator", None)  # OpenAPI's; AsyncAPI's is another, and the kinds exclude each other without it
    defined: JsonObject = {**parts, "People": _PEOPLE, "State": _STATE, "Deleted": _DELETED, "Silenced": _SILENCED}
    for entry in CATALOGUE:
        body = by_name.get(entry.name, {"type": "object"})
        for sink in filter(partial(_goes_to, entry), Sink):
            defined[_key(entry, sink)] = _event_schema(entry, sink, body, prefix)
    return defined


def _event_schema(entry: EventType, sink: Sink, body: JsonObject, prefix: str) -> JsonObject:
    """The envelope of ``entry`` at ``sink``, with everything it may hold and nothing else where nobody adds to it."""
    if entry.storage is Storage.LOG:
        # What was deleted is told in lists, to sessions that resume, and by webhooks that come late; and so is an edit
        # of it, without the words.
        blank = [{"$ref": f"{prefix}Silenced"}] if entry.effect is Effect.EDIT else []
        body = {"anyOf": [body, {"$ref": f"{prefix}Deleted"}, *blank]}
    kind = {"const": entry.name}
    if entry.name.endswith(":*"):
        kind = {"type": "string", "pattern": f"^{entry.name[:-1]}[A-Za-z0-9_:-]+$"}
    properties: JsonObject = {
        "type": kind,
        "application_id": {"type": "string"},
        "timestamp": _TIME,
        "body": body,
        "from": _MEMBER if sink is Sink.SOCKET else {"anyOf": [_MEMBER, {"type": "null"}]},
        "to": _MEMBER,
        "id": _NUMBER if entry.storage is Storage.LOG else _NEVER,
        "_embedded": {"anyOf": [{"$ref": prefix + "People"}, {"type": "null"}]},
    }
    required = ["timestamp", "body"]
    if entry.storage is Storage.LOG:
        required.append("id")
    if sink is Sink.SOCKET:
        properties |= {"cid": _CONVERSATION, "state": {"$ref": prefix + "State"}}
        return _object(properties, [*required, "cid"], closed=True)
    if sink is Sink.LOG:
        properties |= {"cid": _CONVERSATION, "conversation_id": _CONVERSATION, "state": {"$ref": prefix + "State"}}
        return _object(properties, [*required, "type"], closed=False)
    return _webhook_schema(entry, properties, [*required, "type", "application_id"])


def _webhook_schema(entry: EventType, properties: JsonObject, required: list[str]) -> JsonObject:
    properties["params"] = {"type": "object"}
    if entry.audience is Audience.SESSION:
        properties |= {"session_destination": {"type": "string"}, "isFromMB": {"type": "boolean"}}
        required = [*required, "session_destination"]
    outside = _object(
        {**properties, "id": _NEVER, "conversation_id": _NEVER, "from": _KNOCKER if entry.knocker else _NEVER},
        [each for each in required if each != "id"] + (["from"] if entry.knocker else []),
        closed=True,
    )
    if entry.storage is Storage.APPLICATION:
        return outside
    inside = _object({**properties, "conversation_id": _CONVERSATION}, [*required, "conversation_id"], closed=True)
    return {"anyOf": [inside, outside]} if entry.knocker else inside


def _object(properties: JsonObject, required: list[str], *, closed: bool) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        **({"additionalProperties": False} if closed else {}),
    }


def _channel(entries: list[EventType], sink: Sink, address: str | None, description: str) -> JsonObject:
    return {
        "address": address,
        "description": description,
        "messages": {_key(entry, sink): {"$ref": f"#/components/messages/{_key(entry, sink)}"} for entry in entries},
    }


def _operation(channel: str, summary: str) -> JsonObject:
    return {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}
