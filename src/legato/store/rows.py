"""Rows and values: how conversations, members and events are laid out in the tables."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row

from legato.conversations import Conversation, ConversationState, Member, MemberState
from legato.conversations.bounds import MAX_CONVERSATION_NAME
from legato.events.envelope import Event, decode_event, encode_event
from legato.events.moment import parse_iso


class StoredEvent(msgspec.Struct, frozen=True):
    """An event as it stands in the log, with its store-wide commit number."""

    event: Event
    commit: int
    deleted: bool = False


def conversation_row(state: Conversation) -> dict[str, Any]:
    """Columns of ``conversations`` that come from the state."""
    ttl = state.properties.get("ttl")
    created = parse_iso(state.timestamp["created"])
    return {
        "id": state.id,
        "application_id": state.application_id,
        "name": _name_of_deleted(state.id) if state.state is ConversationState.DELETED else state.name,
        "display_name": state.display_name,
        "image_url": state.image_url,
        "state": state.state.value,
        "properties": state.properties,
        "custom_sort_key": state.properties.get("custom_sort_key"),
        "numbers": state.numbers,
        "callback": state.callback,
        "timestamp": state.timestamp,
        "created_at": created,
        "expires_at": created + ttl if ttl else None,
        "sequence": state.sequence,
        "epoch": state.epoch,
    }


def _name_of_deleted(conversation_id: str) -> str:
    """What a deleted conversation gives its name back for: longer than any name that a caller can choose."""
    return conversation_id.ljust(MAX_CONVERSATION_NAME + 1, ".")


def conversation_of(row: Row[Any], members: dict[str, Member], audience: tuple[str, ...]) -> Conversation:
    """The state that a row and its current members are."""
    return Conversation(
        id=row.id,
        application_id=row.application_id,
        name=row.name,
        display_name=row.display_name,
        image_url=row.image_url,
        state=ConversationState(row.state),
        properties=row.properties,
        numbers=row.numbers,
        callback=row.callback,
        timestamp=row.timestamp,
        sequence=row.sequence,
        epoch=row.epoch,
        members=members,
        audience=audience,
    )


_MEMBER_COLUMNS = (
    "id",
    "user_id",
    "channel",
    "media",
    "timestamp",
    "initiator",
    "invited_by",
    "inviter",
    "knocking_id",
    "reason",
    "since",
    "until",
)


def member_row(conversation_id: str, member: Member) -> dict[str, Any]:
    """Columns of ``members``."""
    columns = {name: getattr(member, name) for name in _MEMBER_COLUMNS}
    return {**columns, "conversation_id": conversation_id, "state": member.state.value}


def member_of(row: Row[Any], prefix: str = "") -> Member:
    """The member a row is, or that part of a row whose columns are labelled with ``prefix``."""
    columns = {name: getattr(row, prefix + name) for name in _MEMBER_COLUMNS}
    return Member(state=MemberState(getattr(row, f"{prefix}state")), **columns)


def event_row(event: Event, commit: int, created_at: float) -> dict[str, Any]:
    """Columns of ``events``."""
    return {
        "conversation_id": event.conversation_id,
        "id": event.id,
        "commit_no": commit,
        "type": event.type,
        "sender": event.user.id if event.user else None,
        "deleted": False,
        "created_at": created_at,
        "payload": encode_event(event),
    }


def stored_event_of(row: Row[Any]) -> StoredEvent:
    """The event a row is."""
    return StoredEvent(decode_event(row.payload), row.commit_no, row.deleted)
