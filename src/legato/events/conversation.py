"""``conversation:*``: a conversation is made, changed, ended."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from legato.events.catalogue import Audience, Effect, EventType, Storage
from legato.events.envelope import JsonObject


class Times(msgspec.Struct):
    """When each thing happened, ISO 8601; a key is there only if it did."""

    created: str | UnsetType = UNSET
    updated: str | UnsetType = UNSET
    destroyed: str | UnsetType = UNSET


class ConversationTold(msgspec.Struct):
    """A conversation as it now is."""

    id: str
    name: str
    timestamp: Times
    state: Literal["ACTIVE", "INACTIVE"] | UnsetType = UNSET
    display_name: str | None = None
    image_url: str | None = None
    properties: JsonObject | None = None


class ConversationGone(msgspec.Struct):
    """A conversation that is no more, and why: ``deleted`` by request, ``ttl`` when its time ran out."""

    id: str
    name: str
    timestamp: Times
    reason: str


_EXAMPLE: dict[str, Any] = {"id": "CON-7a3c1f60-2b4e-4d7a-9c55-10e0f4a8b001", "name": "front-desk"}

CONVERSATION: Final = (
    EventType(
        "conversation:created",
        ConversationTold,
        "A conversation was made; told to the application only, for it has no members yet.",
        {
            **_EXAMPLE,
            "display_name": "Front desk",
            "state": "ACTIVE",
            "timestamp": {"created": "2026-03-04T09:00:00.000Z"},
        },
        storage=Storage.APPLICATION,
        audience=Audience.NONE,
        effect=Effect.CONVERSATION,
    ),
    EventType(
        "conversation:updated",
        ConversationTold,
        "A conversation's name, picture, state or properties changed.",
        {
            **_EXAMPLE,
            "display_name": "Reception",
            "state": "ACTIVE",
            "timestamp": {"created": "2026-03-04T09:00:00.000Z", "updated": "2026-03-04T09:10:00.000Z"},
        },
        effect=Effect.CONVERSATION,
    ),
    EventType(
        "conversation:deleted",
        ConversationGone,
        "A conversation was deleted, or its time ran out; told to the application only.",
        {
            **_EXAMPLE,
            "timestamp": {
                "created": "2026-03-04T09:00:00.000Z",
                "updated": "2026-03-04T09:10:00.000Z",
                "destroyed": "2026-03-04T18:00:00.000Z",
            },
            "reason": "deleted",
        },
        storage=Storage.APPLICATION,
        audience=Audience.NONE,
        effect=Effect.CONVERSATION,
    ),
)
