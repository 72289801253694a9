"""``member:*``: who is invited, joined, left, and whose media changed."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from legato.events.catalogue import Effect, EventType, Performer
from legato.events.envelope import JsonObject
from legato.events.shapes import Channel, Media, Reason


class MemberTimes(msgspec.Struct):
    """When each thing happened, ISO 8601. A key is there only if it did: nexmo-client takes null for a time."""

    invited: str | UnsetType = UNSET
    joined: str | UnsetType = UNSET
    left: str | UnsetType = UNSET


class Initiator(msgspec.Struct):
    """Who did it: the system, or a user through one of its members."""

    is_system: bool = msgspec.field(name="isSystem", default=False)
    user_id: str | UnsetType = UNSET
    member_id: str | UnsetType = UNSET


class Initiators(msgspec.Struct):
    """Who did each thing that happened."""

    invited: Initiator | UnsetType = UNSET
    joined: Initiator | UnsetType = UNSET
    left: Initiator | UnsetType = UNSET


class MemberUser(msgspec.Struct):
    """The user behind a member; clients read ``id`` in one place and ``user_id`` in another."""

    id: str
    name: str
    user_id: str | UnsetType = UNSET
    member_id: str | UnsetType = UNSET
    display_name: str | None = None
    image_url: str | None = None
    media: Media | None = None
    properties: JsonObject | None = None


class ConversationNamed(msgspec.Struct):
    """The conversation, for somebody who has not seen it yet."""

    conversation_id: str
    name: str
    display_name: str | None = None
    image_url: str | None = None


class MemberInvited(msgspec.Struct):
    """``invited_by`` is the inviting user's id in the log and on webhooks, null when the system invited."""

    conversation: ConversationNamed
    member_id: str
    user: MemberUser
    channel: Channel
    cname: str | UnsetType = UNSET
    invited_by: str | None = None
    media: Media | None = None
    sdp: str | UnsetType = UNSET
    timestamp: MemberTimes | UnsetType = UNSET
    initiator: Initiators | UnsetType = UNSET
    invited_by_member: JsonObject | None = None


class MemberJoined(msgspec.Struct):
    """``channel.knocking_id`` is there when the member came from knocking."""

    member_id: str
    user: MemberUser
    channel: Channel
    timestamp: MemberTimes | UnsetType = UNSET
    initiator: Initiators | UnsetType = UNSET
    media: Media | None = None
    client_ref: str | UnsetType = UNSET


class MemberLeft(msgspec.Struct):
    """Without ``timestamp.joined`` the member was invited and never came."""

    member_id: str
    user: MemberUser
    channel: Channel
    timestamp: MemberTimes | UnsetType = UNSET
    initiator: Initiators | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET


class MemberMedia(msgspec.Struct):
    """The member's media as it now is."""

    audio: bool
    media: Media
    channel: Channel


_MEMBER = "MEM-3c9d0a7e-61f2-4a1b-8d90-77c1e2f4a001"
_USER: dict[str, Any] = {
    "id": "USR-9f1b7c22-0d5e-4e63-b7a8-52a6d3c0a001",
    "user_id": "USR-9f1b7c22-0d5e-4e63-b7a8-52a6d3c0a001",
    "member_id": _MEMBER,
    "name": "grace",
    "display_name": "Grace",
}
_HOST = {
    "isSystem": False,
    "user_id": "USR-9f1b7c22-0d5e-4e63-b7a8-52a6d3c0a002",
    "member_id": "MEM-3c9d0a7e-61f2-4a1b-8d90-77c1e2f4a002",
}
_SELF = {"isSystem": False, "user_id": _USER["id"], "member_id": _MEMBER}
_QUIET = {"audio_settings": {"enabled": False, "earmuffed": False, "muted": False}, "audio": False}

MEMBER: Final = (
    EventType(
        "member:invited",
        MemberInvited,
        "A user was invited to the conversation.",
        {
            "cname": "front-desk",
            "conversation": {"conversation_id": "CON-7a3c1f60-2b4e-4d7a-9c55-10e0f4a8b001", "name": "front-desk"},
            "invited_by": _HOST["user_id"],
            "member_id": _MEMBER,
            "user": {**_USER, "media": _QUIET},
            "channel": {"type": "app"},
            "media": _QUIET,
            "timestamp": {"invited": "2026-03-04T09:01:00.000Z"},
            "initiator": {"invited": _HOST},
        },
        effect=Effect.MEMBER,
        wakes=True,
    ),
    EventType(
        "member:joined",
        MemberJoined,
        "A user joined the conversation, of its own accord or by accepting an invitation.",
        {
            "member_id": _MEMBER,
            "user": _USER,
            "channel": {"type": "app"},
            "timestamp": {"invited": "2026-03-04T09:01:00.000Z", "joined": "2026-03-04T09:02:00.000Z"},
            "initiator": {"invited": _HOST, "joined": _SELF},
        },
        effect=Effect.MEMBER,
    ),
    EventType(
        "member:left",
        MemberLeft,
        "A member left, declined, was removed, or its leg ended.",
        {
            "member_id": _MEMBER,
            "user": _USER,
            "channel": {"type": "app"},
            "timestamp": {
                "invited": "2026-03-04T09:01:00.000Z",
                "joined": "2026-03-04T09:02:00.000Z",
                "left": "2026-03-04T09:30:00.000Z",
            },
            "initiator": {"left": _SELF},
            "reason": {"code": "done", "text": "completed"},
        },
        effect=Effect.MEMBER,
    ),
    EventType(
        "member:media",
        MemberMedia,
        "A member's audio came on, went off, or was muted or earmuffed.",
        {
            "audio": True,
            "media": {"audio_settings": {"enabled": True, "earmuffed": False, "muted": False}, "audio": True},
            "channel": {"type": "app", "id": "1f6a9b04-52d3-4f8e-a1c7-0e8b7d2fa001"},
        },
        effect=Effect.MEDIA,
        performer=Performer.CALLS,
    ),
)
