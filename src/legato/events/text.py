"""``text``: what the first generation of SDKs writes and reads, with its receipts, edits and typing."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from legato.events.catalogue import CALLERS, Audience, Effect, EventType, Storage
from legato.events.receipt import receipt
from legato.events.shapes import EventId, Text, event_id_as_number


class Edited(msgspec.Struct):
    """What a text that was edited says of it: by which event, and when."""

    edited_by: EventId
    edited_at: str


class TextBody(msgspec.Struct):
    """The words; ``channels`` limits where they go."""

    text: Text
    language: Annotated[str, Meta(max_length=35)] | None = None
    channels: list[Literal["sms", "app"]] | None = None
    edited: Edited | None = None


class TextUpdate(msgspec.Struct):
    """The new words of an earlier text."""

    text: Text
    original_event_id: EventId


class Typing(msgspec.Struct):
    """1 while the member types, 0 after."""

    activity: Annotated[int, Meta(ge=0, le=1)] | None = None
    event_id: EventId | None = None


TEXT: Final = (
    EventType(
        "text",
        TextBody,
        "A member wrote a text.",
        {"text": "Shall we start at nine?"},
        creators=CALLERS,
        acknowledged=True,
        wakes=True,
    ),
    receipt("text:delivered", "A text has reached a member's client.", Effect.DELIVERED),
    receipt("text:seen", "A member has seen a text.", Effect.SEEN),
    EventType(
        "text:update",
        TextUpdate,
        "A text was edited: the original now reads as the new one and says that it was edited.",
        {"text": "Shall we start at ten?", "original_event_id": 12},
        creators=CALLERS,
        effect=Effect.EDIT,
        adapt=event_id_as_number("original_event_id"),
    ),
    EventType(
        "text:typing:on",
        Typing,
        "A member has begun to type; a signal to the others that is not kept, its webhook sent once.",
        {"activity": 1},
        creators=CALLERS,
        storage=Storage.SIGNAL,
        audience=Audience.OTHERS,
        adapt=event_id_as_number("event_id"),
    ),
    EventType(
        "text:typing:off",
        Typing,
        "A member has stopped typing; a signal to the others that is not kept, its webhook sent once.",
        {"activity": 0},
        creators=CALLERS,
        storage=Storage.SIGNAL,
        audience=Audience.OTHERS,
        adapt=event_id_as_number("event_id"),
    ),
)
