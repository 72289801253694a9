"""``apply(state, event) → state``: the fold. Nothing is decided here; an event that is in the log has happened."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from legato.conversations.model import Conversation, ConversationState, Member, MemberState, audience_of
from legato.events.envelope import Event


def apply(state: Conversation, event: Event) -> Conversation:
    """The conversation after ``event``, which must be the next of its log (ValueError otherwise)."""
    if event.id != state.sequence + 1:
        raise ValueError(f"event {event.id} does not follow event {state.sequence} of {state.id}")
    change = _CHANGES.get(event.type)
    if change is None:
        return replace(state, sequence=event.id)
    return replace(change(state, event), sequence=event.id, epoch=state.epoch + 1)


def fold(state: Conversation, events: list[Event]) -> Conversation:
    """``state`` after each of ``events`` in turn."""
    for event in events:
        state = apply(state, event)
    return state


def member_after(state: Conversation, event: Event) -> Member:
    """The member a ``member:*`` event leaves behind; for ``member:left`` the one that no state holds any more."""
    body = event.body
    before = state.members.get(body["member_id"])
    if event.type == "member:left":
        if before is None:
            raise ValueError(f"{body['member_id']} left {state.id} without having been there")
        return replace(
            before,
            state=MemberState.LEFT,
            timestamp=body["timestamp"],
            initiator=body["initiator"],
            reason=body.get("reason"),
            until=event.id,
        )
    changes: dict[str, Any] = {
        "state": MemberState.INVITED if event.type == "member:invited" else MemberState.JOINED,
        "channel": body["channel"],
        "media": body.get("media"),
        "timestamp": body["timestamp"],
        "initiator": body["initiator"],
    }
    if before is not None:
        return replace(before, **changes)
    inviter = body.get("invited_by_member") or {}
    return Member(
        id=body["member_id"],
        user_id=body["user"]["id"],
        since=event.id or 0,
        invited_by=body.get("invited_by"),
        inviter=inviter.get("member_id"),
        knocking_id=body["channel"].get("knocking_id"),
        **changes,
    )


def _member_changed(state: Conversation, event: Event) -> Conversation:
    member = member_after(state, event)
    return _with_members(state, {**state.members, member.id: member})


def _member_left(state: Conversation, event: Event) -> Conversation:
    gone = member_after(state, event).id
    return _with_members(state, {key: member for key, member in state.members.items() if key != gone})


def _with_members(state: Conversation, members: dict[str, Member]) -> Conversation:
    audience = audience_of(members)
    # The same tuple while the people stay the same: fan-out joins what goes to one audience by its identity.
    return replace(state, members=members, audience=state.audience if audience == state.audience else audience)


def _media_changed(state: Conversation, event: Event) -> Conversation:
    member = state.members.get(event.from_ or "")
    if member is None:
        return state
    return replace(state, members={**state.members, member.id: replace(member, media=event.body["media"])})


def _conversation_updated(state: Conversation, event: Event) -> Conversation:
    body = event.body
    return replace(
        state,
        name=body["name"],
        display_name=body.get("display_name"),
        image_url=body.get("image_url"),
        state=ConversationState(body["state"]),
        properties=body.get("properties", {}),
        timestamp=body["timestamp"],
    )


_CHANGES = {
    "conversation:updated": _conversation_updated,
    "member:invited": _member_changed,
    "member:joined": _member_changed,
    "member:left": _member_left,
    "member:media": _media_changed,
}
