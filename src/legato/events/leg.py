"""Knockers and legs: a call that wants attention, and how far each leg has come."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from legato.events.catalogue import Audience, EventType, Performer, Storage
from legato.events.envelope import JsonObject
from legato.events.shapes import Channel, Direction, Reason


class KnockingUser(msgspec.Struct):
    """Who knocks; a caller by telephone is a user made for the number."""

    id: str
    name: str | None = None


class Knocking(msgspec.Struct):
    """The leg that wants attention; ``properties.custom_data`` is the caller's."""

    user: KnockingUser
    channel: Channel
    properties: JsonObject | None = None


class KnockingTimes(msgspec.Struct):
    """When each thing happened, ISO 8601; a key is there only if it did."""

    created: str | UnsetType = UNSET
    updated: str | UnsetType = UNSET
    destroyed: str | UnsetType = UNSET
    left: str | UnsetType = UNSET


class KnockingCancel(msgspec.Struct):
    """Why the knocker left."""

    user: KnockingUser
    reason: Reason
    timestamp: KnockingTimes


class LegMoment(msgspec.Struct):
    """One status of a leg: of a member's, or of a knocker's."""

    status: str
    date: str
    member_id: str | UnsetType = UNSET
    conversation_id: str | UnsetType = UNSET
    knocker_id: str | UnsetType = UNSET
    state: str | UnsetType = UNSET


class LegStatus(msgspec.Struct):
    """Where a leg is, and every status it has had; ``state`` sums up how it ended."""

    leg_id: str
    type: str
    status: str
    direction: Direction | UnsetType = UNSET
    status_history: list[LegMoment] = msgspec.field(name="statusHistory", default_factory=list)
    state: JsonObject | None = None


_LEG_ID = "1f6a9b04-52d3-4f8e-a1c7-0e8b7d2fa001"
_MEMBER_ID = "MEM-3c9d0a7e-61f2-4a1b-8d90-77c1e2f4a001"
_CONVERSATION_ID = "CON-7a3c1f60-2b4e-4d7a-9c55-10e0f4a8b001"
_USER = {"id": "USR-9f1b7c22-0d5e-4e63-b7a8-52a6d3c0a001"}

LEG: Final = (
    EventType(
        "app:knocking",
        Knocking,
        "A call has come in and is in no conversation yet.",
        {
            "user": _USER,
            "channel": {
                "id": _LEG_ID,
                "type": "phone",
                "to": {"type": "phone", "number": "447700900102"},
                "from": {"type": "phone", "number": "447700900101"},
                "headers": {},
                "legs": [],
                "leg_ids": [],
            },
        },
        storage=Storage.APPLICATION,
        audience=Audience.NONE,
        performer=Performer.CALLS,
        knocker=True,
    ),
    EventType(
        "app:knocking:cancel",
        KnockingCancel,
        "A call that came in ended before anybody took it.",
        {
            "user": _USER,
            "reason": {"code": "487", "text": "cancelled"},
            "timestamp": {"created": "2026-03-04T09:00:00.000Z", "left": "2026-03-04T09:00:12.000Z"},
        },
        storage=Storage.APPLICATION,
        audience=Audience.NONE,
        performer=Performer.CALLS,
        knocker=True,
    ),
    EventType(
        "leg:status:update",
        LegStatus,
        "A leg rings, was answered, or ended.",
        {
            "leg_id": _LEG_ID,
            "type": "phone",
            "direction": "outbound",
            "status": "answered",
            "statusHistory": [
                {
                    "status": status,
                    "date": date,
                    "member_id": _MEMBER_ID,
                    "conversation_id": _CONVERSATION_ID,
                }
                for status, date in (
                    ("started", "2026-03-04T09:05:00.000Z"),
                    ("ringing", "2026-03-04T09:05:01.000Z"),
                    ("answered", "2026-03-04T09:05:04.000Z"),
                )
            ],
        },
        performer=Performer.CALLS,
        knocker=True,
    ),
)
