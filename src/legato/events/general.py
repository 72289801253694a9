"""Types of no one family: custom and ephemeral events, receipts and deletions of any event, knockers and legs."""

from __future__ import annotations

from typing import Final

import msgspec

from legato.events.catalogue import CALLERS, Audience, Effect, EventType, Storage
from legato.events.receipt import receipt
from legato.events.shapes import Reference

# nexmo-client's documentation: the body of a custom event. An ephemeral event is the same kind of thing, unkept.
MAX_CUSTOM: Final = 4_096


class PushUser(msgspec.Struct):
    """Whose devices they are."""

    id: str


class PushDevice(msgspec.Struct):
    """A device as it was registered; its tokens are not told."""

    device_id: str
    device_type: str


class PushCause(msgspec.Struct):
    """The event that would wake them."""

    type: str
    id: int
    conversation_id: str


class Push(msgspec.Struct):
    """Who would be woken, where, and what for."""

    user: PushUser
    devices: list[PushDevice]
    event: PushCause


GENERAL: Final = (
    EventType(
        "app:push",
        Push,
        "Somebody with registered devices and no client connected was written to or invited: these would be woken.",
        {
            "user": {"id": "USR-00000022-0000-4000-8000-000000000000"},
            "devices": [{"device_id": "3f2a9c", "device_type": "android"}],
            "event": {"type": "text", "id": 12, "conversation_id": "CON-00000001-0000-4000-8000-000000000000"},
        },
        storage=Storage.APPLICATION,
        audience=Audience.NONE,
    ),
    EventType(
        "custom:*",
        None,
        "Whatever the application means by it: kept, told to everybody, interpreted by nobody.",
        {"order": 42, "paid": True},
        creators=CALLERS,
        max_body=MAX_CUSTOM,
    ),
    EventType(
        "ephemeral",
        None,
        "Whatever the application means by it: told to everybody who is connected, not kept, its webhook sent once.",
        {"cursor": {"line": 7}},
        creators=CALLERS,
        storage=Storage.SIGNAL,
        max_body=MAX_CUSTOM,
    ),
    receipt(
        "event:delivered", "An event that is no text, image or message has reached a member's client.", Effect.DELIVERED
    ),
    receipt("event:seen", "A member has seen an event that is no text, image or message.", Effect.SEEN),
    EventType(
        "event:delete",
        Reference,
        "An event was deleted: it keeps its number, and its content is gone.",
        {"event_id": 12},
        effect=Effect.DELETE,
    ),
)
