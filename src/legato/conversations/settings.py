"""Deciding about the conversation itself: creating, changing, deleting."""

from __future__ import annotations

from msgspec.structs import replace

from legato.conversations.apply import apply
from legato.conversations.bounds import MAX_CONVERSATION_DATA, bounded
from legato.conversations.commands import CreateConversation, DeleteConversation, UpdateConversation
from legato.conversations.model import Caller, Conversation, ConversationState, MemberState
from legato.conversations.world import Decision, World
from legato.events.envelope import Event, JsonObject
from legato.events.refusal import Forbidden, Refusal

# What an update may change, and so what `conversation:updated` tells. `numbers` and `callback` are settings beside
# the log: they may hold credentials, and no reader of the log needs them.
_TOLD = ("name", "display_name", "image_url", "state")
_UNTOLD = ("numbers", "callback")


def create(command: CreateConversation, world: World) -> Decision:
    """A new conversation, announced on the application's stream."""
    _check_name(world)
    state = Conversation(
        id=command.conversation_id,
        application_id=command.by.application_id,
        name=command.name,
        display_name=command.display_name,
        image_url=command.image_url,
        properties=command.properties,
        numbers=command.numbers,
        callback=command.callback,
        timestamp={"created": world.now},
    )
    return Decision(state=state, events=(_announce(state, "conversation:created", _told(state), world),))


def update(command: UpdateConversation, state: Conversation, world: World) -> Decision:
    """The changed conversation; nothing is appended when nothing changes."""
    require_joined_or_admin(state, command.by)
    changes = dict(command.changes)
    if "properties" in changes:
        changes["properties"] = _merged(state.properties, changes["properties"])
        bounded(changes["properties"], MAX_CONVERSATION_DATA)
    changed = {key: value for key, value in changes.items() if getattr(state, key) != value}
    if not changed:
        return Decision(state=state)
    if "name" in changed:
        _check_name(world)
    beside = replace(state, **{key: changed.pop(key) for key in _UNTOLD if key in changed})
    after = replace(beside, **changed, timestamp={**state.timestamp, "updated": world.now})
    event = Event(
        type="conversation:updated",
        id=state.sequence + 1,
        body={**_told(after), "properties": after.properties},
        timestamp=world.now,
        application_id=state.application_id,
        conversation_id=state.id,
    )
    return Decision(state=apply(beside, event), events=(event,), answer=event)


def delete(command: DeleteConversation, state: Conversation, world: World) -> Decision:
    """The end of the conversation: whoever asks for it afterwards finds nothing."""
    require_joined_or_admin(state, command.by)
    timestamp = {**state.timestamp, "updated": state.timestamp.get("updated", world.now), "destroyed": world.now}
    after = replace(
        state,
        state=ConversationState.DELETED,
        timestamp=timestamp,
        epoch=state.epoch + 1,
    )
    body = {"id": state.id, "name": state.name, "timestamp": timestamp, "reason": command.reason}
    return Decision(state=after, events=(_announce(state, "conversation:deleted", body, world),))


def require_joined_or_admin(state: Conversation, by: Caller) -> None:
    """A user's token may change a conversation only from inside it."""
    if by.user is None:
        return
    if not any(member.state is MemberState.JOINED for member in state.members_of(by.user.id)):
        raise Forbidden("Only a joined member or the application may do this: join the conversation first.")


def _check_name(world: World) -> None:
    if world.name_taken:
        # Conversation API (beta) documents 400 for this, and clients compare the code.
        raise Refusal("conversation:error:duplicate-name", "A conversation of that name exists: choose another name.")


def _told(state: Conversation) -> JsonObject:
    body: JsonObject = {"id": state.id}
    for key in _TOLD:
        value = getattr(state, key)
        if value is not None:
            body[key] = value
    return {**body, "timestamp": state.timestamp}


def _announce(state: Conversation, type_: str, body: JsonObject, world: World) -> Event:
    return Event(type=type_, body=body, timestamp=world.now, application_id=state.application_id)


def _merged(before: JsonObject, changes: JsonObject | None) -> JsonObject:
    """Properties after ``changes``: each named key replaced, None removes it; None for all removes all but ``ttl``."""
    if changes is None:
        return {key: value for key, value in before.items() if key == "ttl"}
    return {key: value for key, value in {**before, **changes}.items() if value is not None}
