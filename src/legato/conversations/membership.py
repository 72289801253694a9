"""Deciding who is in: inviting, joining, leaving."""

from __future__ import annotations

from typing import Any

from legato.conversations.apply import apply, member_after
from legato.conversations.commands import InviteMember, JoinMember, LeaveMember
from legato.conversations.model import MAX_MEMBERS, Caller, Conversation, Member, MemberState
from legato.conversations.user import no_such_user
from legato.conversations.world import Decision, World
from legato.events.envelope import Author, Event, JsonObject, Person
from legato.events.refusal import Forbidden, InvalidInput, NotFound, Refusal, Unavailable
from legato.events.shapes import CHANNEL_TYPES

_SILENT: JsonObject = {"audio_settings": {"enabled": False, "earmuffed": False, "muted": False}, "audio": False}


def invite(command: InviteMember, state: Conversation, world: World) -> Decision:
    """A new INVITED member."""
    _require_user(world)
    inviter = _acting(state, command.by, command.inviting)
    if command.by.user is not None and (inviter is None or inviter.state is not MemberState.JOINED):
        raise Forbidden("Only a joined member or the application may invite: join the conversation first.")
    _refuse_calls(command.channel, command.media)
    known = _on_channel(state, command.user.id, command.channel)
    if known is not None:
        _refuse_second(known)
    _refuse_overflow(state)
    media = _media(command.media)
    body: JsonObject = {
        "cname": state.name,
        "conversation": _about(state),
        "invited_by": command.by.user.id if command.by.user else None,
        "member_id": command.member_id,
        "user": {"member_id": command.member_id, **_user(command.user), "media": media},
        "channel": _channel(command.channel, command.knocking_id),
        "media": media,
        "timestamp": {"invited": world.now},
        "initiator": {"invited": _initiator(command.by, inviter)},
    }
    if inviter is not None:
        body["invited_by_member"] = {
            "member_id": inviter.id,
            "user_id": inviter.user_id,
            "state": inviter.state.value,
            "channel": inviter.channel,
            "timestamp": inviter.timestamp,
        }
    return _happened(state, "member:invited", command.member_id, body, command.user, command.by, inviter, world)


def join(command: JoinMember, state: Conversation, world: World) -> Decision:
    """A JOINED member: the invited one, under its id, or a new one."""
    _require_user(world)
    _refuse_calls(command.channel, command.media)
    known = _invitation(state, command)
    if known is None:
        known = _on_channel(state, command.user.id, command.channel)
    if known is not None and known.state is MemberState.JOINED:
        raise Refusal("conversation:error:member-already-joined", "The user is already a member of the conversation.")
    is_self = command.by.user is not None and command.by.user.id == command.user.id
    acting = None if is_self else _acting(state, command.by, None)
    if command.by.user is not None and not is_self and (acting is None or acting.state is not MemberState.JOINED):
        raise Forbidden("Only a joined member or the application may add somebody else.")
    member_id = known.id if known else command.member_id
    if known is None:
        _refuse_overflow(state)
    by: JsonObject = (
        {"isSystem": False, "user_id": command.user.id, "member_id": member_id}
        if is_self
        else _initiator(command.by, acting)
    )
    body: JsonObject = {
        "member_id": member_id,
        "user": {"member_id": member_id, **_user(command.user)},
        "channel": _channel(command.channel, command.knocking_id),
        "media": _media(command.media or (known.media if known else None)),
        "timestamp": {**(known.timestamp if known else {}), "joined": world.now},
        "initiator": {**(known.initiator if known else {}), "joined": by},
    }
    return _happened(state, "member:joined", member_id, body, command.user, command.by, acting, world)


def leave(command: LeaveMember, state: Conversation, world: World) -> Decision:
    """The end of a membership, by its own user (leaving, declining), another member (kicking) or the application."""
    member = state.members.get(command.member_id)
    if member is None:
        if world.has_left:
            # nexmo-client swallows exactly this code when it hangs up.
            raise Refusal("conversation:error:invalid-member-state", "The member has left the conversation already.")
        raise NotFound("member:error:not-found", "The member does not exist in this conversation.")
    acting = member if _is_self(command.by, member) else _acting(state, command.by, command.acting)
    if (
        command.by.user is not None
        and acting is not member
        and (acting is None or acting.state is not MemberState.JOINED)
    ):
        raise Forbidden("Only the member, another joined member or the application may end a membership.")
    person = world.people.get(member.user_id) or Person(member.user_id)
    body: JsonObject = {
        "member_id": member.id,
        "user": {"member_id": member.id, **_user(person)},
        "channel": member.channel,
        "timestamp": {**member.timestamp, "left": world.now},
        "initiator": {**member.initiator, "left": _initiator(command.by, acting)},
    }
    if command.reason:
        body["reason"] = command.reason
    return _happened(state, "member:left", member.id, body, person, command.by, acting, world)


def _happened(
    state: Conversation,
    type_: str,
    member_id: str,
    body: JsonObject,
    user: Person,
    by: Caller,
    acting: Member | None,
    world: World,
) -> Decision:
    if by.user is None:
        author = Author(member_id=acting.id if acting else None)
    else:
        author = Author(by.user, acting.id if acting else member_id)
    event = Event(
        type=type_,
        id=state.sequence + 1,
        from_=member_id,
        user=user,
        author=author,
        body=body,
        timestamp=world.now,
        application_id=state.application_id,
        conversation_id=state.id,
    )
    return Decision(state=apply(state, event), events=(event,), answer=event, member=member_after(state, event))


def _require_user(world: World) -> None:
    """A token can outlive its user for the time of a request: whoever was deleted does not come back by one."""
    if world.user_gone:
        raise no_such_user()


def _is_self(by: Caller, member: Member) -> bool:
    return by.user is not None and by.user.id == member.user_id


def _acting(state: Conversation, by: Caller, named: str | None) -> Member | None:
    """The member who acts: the one the caller names (a user's own only), else the user's own."""
    if named is not None:
        member = state.members.get(named)
        if member is None or (by.user is not None and member.user_id != by.user.id):
            raise Forbidden("`from` must be a member of your own in this conversation.")
        return member
    return state.my_member(by.user.id) if by.user else None


def _invitation(state: Conversation, command: JoinMember) -> Member | None:
    if command.accepts is None:
        return None
    member = state.members.get(command.accepts)
    if member is None or member.user_id != command.user.id:
        raise NotFound("member:error:not-found", "The invited member does not exist in this conversation.")
    return member


def _on_channel(state: Conversation, user_id: str, channel: JsonObject) -> Member | None:
    wanted = channel.get("type", "app")
    return next((m for m in state.members_of(user_id) if m.channel_type == wanted), None)


def _refuse_second(known: Member) -> None:
    if known.state is MemberState.INVITED:
        raise Refusal("conversation:error:member-already-invited", "The user has an open invitation already.")
    raise Refusal("conversation:error:member-already-joined", "The user is already a member of the conversation.")


def _refuse_overflow(state: Conversation) -> None:
    if len(state.members) >= MAX_MEMBERS:
        raise Refusal(
            "conversation:error:maximum-number-of-members",
            f"The conversation has its {MAX_MEMBERS} members: one must leave first.",
        )


def _refuse_calls(channel: JsonObject, media: JsonObject | None) -> None:
    kind = channel.get("type", "app")
    if kind not in CHANNEL_TYPES:
        raise InvalidInput.of("channel.type", "must be one of " + ", ".join(sorted(CHANNEL_TYPES)))
    if kind != "app":
        raise Unavailable(f"This server has no {kind} channel: only app members can be added.")
    if media and (media.get("audio_settings") or {}).get("enabled"):
        raise Unavailable("This server cannot place calls yet: leave `media` out to invite to chat.")


def _channel(channel: JsonObject, knocking_id: str | None) -> JsonObject:
    known: JsonObject = {"type": "app", **channel}
    return {**known, "knocking_id": knocking_id} if knocking_id else known


def _media(media: JsonObject | None) -> JsonObject:
    if not media:
        return _SILENT
    settings: dict[str, Any] = {**_SILENT["audio_settings"], **(media.get("audio_settings") or {})}
    return {"audio_settings": settings, "audio": bool(media.get("audio", False))}


def _initiator(by: Caller, acting: Member | None) -> JsonObject:
    if by.user is None and acting is None:
        return {"isSystem": True}
    user_id = by.user.id if by.user else acting.user_id if acting else None
    return {"isSystem": False, "user_id": user_id, **({"member_id": acting.id} if acting else {})}


def _user(user: Person) -> JsonObject:
    told: JsonObject = {"id": user.id, "user_id": user.id, "name": user.name}
    if user.display_name:
        told["display_name"] = user.display_name
    if user.image_url:
        told["image_url"] = user.image_url
    return told


def _about(state: Conversation) -> JsonObject:
    told: JsonObject = {"conversation_id": state.id, "name": state.name}
    if state.display_name:
        told["display_name"] = state.display_name
    if state.image_url:
        told["image_url"] = state.image_url
    return told
