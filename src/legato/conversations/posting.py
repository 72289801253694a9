"""Deciding about events that callers make: messages, receipts, edits, deletions, signals."""

from __future__ import annotations

from typing import Final, Literal, NoReturn

from msgspec.structs import replace

from legato.conversations.apply import apply
from legato.conversations.commands import DeleteEvent, PostEvent
from legato.conversations.deletion import without_content
from legato.conversations.model import Caller, Conversation, Member, MemberState
from legato.conversations.world import Decision, Mark, NewMark, Target, World
from legato.events import CATALOGUE
from legato.events.catalogue import Creator, Effect, EventType, Performer, Storage
from legato.events.envelope import About, Event, JsonObject, Person
from legato.events.refusal import Forbidden, InvalidInput, NotFound, Refusal, Unavailable

# Edits whose words the log keeps, for each text: their ids stand with it, some six bytes each, for when it is deleted.
MAX_EDITS: Final = 256


def post(command: PostEvent, state: Conversation, world: World) -> Decision:
    """The event, appended or signalled; for a receipt that stands already, the one that stands."""
    entry = creatable(command.type, command.by)
    member = _sender(state, command.by, command.from_)
    if member is None and (entry.effect.is_receipt or entry.acknowledged):
        raise InvalidInput.of("from", "is required: name the member the event is from")
    if command.to is not None and command.to not in state.members:
        raise InvalidInput.of("to", "must be a member of the conversation")
    if entry.effect.is_receipt and member is not None:
        return _receipt(command, entry, state, member, world)
    if entry.effect is Effect.EDIT:
        return _edit(command, state, member, world)
    event = _event(
        command.type,
        command.body,
        state,
        member,
        world,
        to=command.to,
        params=command.params,
        dialect=command.dialect,
    )
    if entry.storage is Storage.SIGNAL:
        event = replace(event, id=None)
        return Decision(state=state, events=(event,), answer=event)
    return Decision(state=apply(state, event), events=(event,), answer=event)


def delete(command: DeleteEvent, state: Conversation, world: World) -> Decision:
    """The target blanked, with what else repeats it, and an ``event:delete`` appended; twice is once."""
    target = _target(command.event_id, world)
    entry = CATALOGUE[target.event.type]
    member = _sender(state, command.by, command.from_)
    if entry.effect is not Effect.NONE or not entry.creators & Creator.USER:
        raise Forbidden(f"An event of type {entry.name} cannot be deleted.", code="event:error:permission-denied")
    _require_author(target, command.by)
    if target.deleted:
        return Decision(state=state)
    blanked = without_content(target.event, world.now)
    event = _event("event:delete", {"event_id": command.event_id}, state, member, world, about=About.of(blanked))
    echoes = set(target.event.edits)
    if About.of(target.event).url is not None:
        echoes |= {mark.receipt_id for mark in target.marks.values()}
    return Decision(
        state=apply(state, event),
        events=(event,),
        answer=event,
        rewrite=blanked,
        deleted=True,
        echoes=tuple(sorted(echoes)),
    )


def creatable(type_: str, by: Caller) -> EventType:
    """The catalogue's entry for ``type_``, if ``by`` may create such events here.

    Raises Refusal ``event:error:unknown-event``, Forbidden, or Unavailable for what only calls can perform.
    """
    entry = CATALOGUE.get(type_)
    if entry is None or entry.creators == Creator.SERVER:
        raise Refusal("event:error:unknown-event", f'"{type_}" is not an event type that can be created.')
    if not entry.creators & (Creator.ADMIN if by.user is None else Creator.USER):
        raise Forbidden(f"{type_} can be created with an application token only.", code="event:error:permission-denied")
    if entry.performer is Performer.CALLS:
        raise Unavailable(f"This server cannot perform {type_} yet: it has no calls.")
    return entry


def _receipt(command: PostEvent, entry: EventType, state: Conversation, member: Member, world: World) -> Decision:
    target = _target(command.body["event_id"], world)
    kind = entry.effect.value
    if not CATALOGUE[target.event.type].acknowledged and not command.type.startswith("event:"):
        raise InvalidInput.of("body.event_id", f"must name a message: {target.event.type} takes event:* receipts")
    standing = target.marks.get((member.id, kind))
    event = _event(command.type, command.body, state, member, world, about=About.of(target.event))
    if standing is not None:
        return Decision(state=state, answer=replace(event, id=standing.receipt_id, timestamp=standing.at))
    if target.event.user is not None and target.event.user.id == member.user_id:
        # `@vonage/client-sdk` receipts its own messages: answered like any other, worth nothing to anyone.
        return Decision(state=state, answer=replace(event, id=target.event.id))
    mark = Mark(world.now, event.id or 0)
    marks = [NewMark(state.id, command.body["event_id"], member.id, kind, mark)]
    delivered = Effect.DELIVERED.value
    if entry.effect is Effect.SEEN and (member.id, delivered) not in target.marks:
        marks.append(NewMark(state.id, command.body["event_id"], member.id, delivered, mark))
    return Decision(state=apply(state, event), events=(event,), answer=event, marks=tuple(marks))


def _edit(command: PostEvent, state: Conversation, member: Member | None, world: World) -> Decision:
    target = _target(command.body["original_event_id"], world)
    if "text" not in target.event.body or target.deleted or not CATALOGUE[target.event.type].acknowledged:
        raise InvalidInput.of("body.original_event_id", "must name a text that has not been deleted")
    _require_author(target, command.by)
    event = _event(command.type, command.body, state, member, world, about=About.of(target.event))
    body = {
        **target.event.body,
        "text": command.body["text"],
        "edited": {"edited_by": event.id, "edited_at": world.now},
    }
    edits = (*target.event.edits, event.id or 0)
    edited = replace(target.event, body=body, edits=edits[-MAX_EDITS:])
    return Decision(state=apply(state, event), events=(event,), answer=event, rewrite=edited, echoes=edits[:-MAX_EDITS])


def _event(
    type_: str,
    body: JsonObject,
    state: Conversation,
    member: Member | None,
    world: World,
    *,
    to: str | None = None,
    params: JsonObject | None = None,
    about: About | None = None,
    dialect: Literal["chat"] | None = None,
) -> Event:
    return Event(
        type=type_,
        id=state.sequence + 1,
        body=body,
        from_=member.id if member else None,
        user=(world.people.get(member.user_id) or Person(member.user_id)) if member else None,
        to=to,
        params=params,
        timestamp=world.now,
        application_id=state.application_id,
        conversation_id=state.id,
        about=about,
        dialect=dialect,
    )


def _sender(state: Conversation, by: Caller, named: str | None) -> Member | None:
    """The joined member the event is from: the one named, else the user's own; None for the application itself."""
    if named is not None:
        member = state.members.get(named)
        if member is None:
            _not_joined()
        if by.user is not None and member.user_id != by.user.id:
            raise Forbidden("`from` must be a member of your own.", code="event:error:permission-denied")
    elif by.user is not None:
        member = state.my_member(by.user.id)
    else:
        return None
    if member is None or member.state is not MemberState.JOINED:
        _not_joined()
    return member


def _not_joined() -> NoReturn:
    raise Forbidden("`from` must be a joined member of the conversation.", code="event:error:not-joined")


def _target(event_id: int, world: World) -> Target:
    target = world.targets.get(event_id)
    if target is None:
        raise NotFound("event:error:not-found", "The event does not exist in this conversation.")
    return target


def _require_author(target: Target, by: Caller) -> None:
    author = target.event.user
    if by.user is not None and (author is None or author.id != by.user.id):
        raise Forbidden("Only the author or the application may do this.", code="event:error:permission-denied")
