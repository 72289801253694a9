"""What other nodes have committed, taken into memory and made ready for the taps.

The audience of an event is the membership after it. Where the state before it is in memory it is folded on; else the
members' spans say who heard it, which they do for any event at any later time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from legato.conversations import Conversation, Mark, Target, apply
from legato.events import CATALOGUE
from legato.events.catalogue import Audience, Effect, EventType
from legato.events.envelope import Event
from legato.log.memory import Memory
from legato.log.values import Delivery
from legato.store import StoredEvent
from legato.store.conversations import Span, load_conversations, load_spans
from legato.store.heads import Change, ConversationChanged, News, PersonChanged

T = TypeVar("T")


class Reading(Protocol):
    """Runs a function on a connection that sees the news."""

    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]:
        """The result of ``work``."""
        ...


class MisrememberedError(Exception):
    """An event does not fit the state that memory had of its conversation, which is forgotten now."""


async def follow(news: News, memory: Memory, read: Reading) -> list[Delivery]:
    """Brings ``memory`` to where the news end; what the taps are to hear of it.

    ``read`` sees at least everything in the news. Nothing is awaited after its last answer.
    """
    spans: dict[str, list[Span]] = {}
    states: dict[str, Conversation] = {}
    while wanted := _unknown(news, memory) - spans.keys():  # again: memory goes on while this reads
        found, heard = await read(partial(_load, wanted=wanted))
        states |= found
        spans |= heard
    memory.generation += 1
    deliveries = []
    for stored in news.events:
        event, entry = stored.event, CATALOGUE.get(stored.event.type)
        audience = _audience(event, states, spans, memory)
        if entry is not None:  # else a newer node made it, and knows what it means
            _keep(stored, entry, memory)
            deliveries.append(Delivery(event, entry, stored.commit, audience, is_remote=True))
    for conversation_id, state in states.items():
        kept = memory.states.get(conversation_id)
        if kept is None or kept.sequence < state.sequence:
            memory.states.put(conversation_id, state)
    for stored in news.events:
        if stored.event.type == "conversation:updated":  # which does not say all that has changed
            memory.states.drop(stored.event.conversation_id or "")
    for change in news.changes:
        _forget(change, memory)
    return deliveries


async def audience_now(conversation_id: str, memory: Memory, read: Reading) -> tuple[str, ...]:
    """Who is in the conversation, as far as this node has followed; nobody when there is no such conversation."""
    state = memory.states.get(conversation_id)
    if state is None:
        found = await read(lambda connection: load_conversations(connection, [conversation_id]))
        state = found.get(conversation_id)
        if state is not None:
            memory.states.put(conversation_id, state)
    return () if state is None else state.audience


def _unknown(news: News, memory: Memory) -> set[str]:
    """Conversations of the news whose state in memory is not the one before their first event."""
    first: dict[str, int] = {}
    for stored in news.events:
        first.setdefault(stored.event.conversation_id or "", stored.event.id or 0)
    return {key for key, number in first.items() if not _stands_before(memory.states.get(key), number)}


def _stands_before(state: Conversation | None, number: int) -> bool:
    return state is not None and state.sequence == number - 1


def _load(connection: Connection, wanted: Collection[str]) -> tuple[dict[str, Conversation], dict[str, list[Span]]]:
    return load_conversations(connection, wanted), load_spans(connection, wanted)


def _forget(change: Change, memory: Memory) -> None:
    if isinstance(change, ConversationChanged):  # without an event that says what is new
        memory.states.drop(change.conversation_id)
    elif isinstance(change, PersonChanged):
        memory.people.drop(change.user_id)
        memory.targets.clear()  # they carry snapshots of people


def _audience(
    event: Event, states: dict[str, Conversation], spans: dict[str, list[Span]], memory: Memory
) -> tuple[str, ...]:
    """The members after ``event``, and who has just left; ``states`` go on with it where there are no spans."""
    conversation_id, number = event.conversation_id or "", event.id or 0
    if conversation_id in spans:
        heard = (span.user_id for span in spans[conversation_id] if span.hears(number))
        audience = tuple(dict.fromkeys(heard))
    else:
        state = states.get(conversation_id) or memory.states.get(conversation_id)
        if state is None:  # `_unknown` has seen it there a moment ago
            raise LookupError(conversation_id)
        try:
            after = states[conversation_id] = apply(state, event)
        except (LookupError, ValueError) as error:  # the log is right: what memory has is not
            states.pop(conversation_id, None)
            memory.states.drop(conversation_id)
            raise MisrememberedError(conversation_id) from error
        audience = after.audience
        if audience is not state.audience:
            audience = (*audience, *(user for user in state.audience if user not in audience))
    entry = CATALOGUE.get(event.type)
    return () if entry is None or entry.audience is Audience.NONE else audience


def _keep(stored: StoredEvent, entry: EventType, memory: Memory) -> None:
    """What memory has of the event, if it will be receipted, and of the one that it is about."""
    event, conversation_id = stored.event, stored.event.conversation_id or ""
    if entry.acknowledged:
        memory.targets.put((conversation_id, event.id or 0), Target(event, stored.deleted))
    if entry.effect.is_receipt:
        place = (conversation_id, event.body["event_id"])
        target = memory.targets.get(place)
        if target is not None:
            mark = Mark(event.timestamp, event.id or 0)
            target.marks[event.from_ or "", entry.effect.value] = mark
            if entry.effect is Effect.SEEN:
                target.marks.setdefault((event.from_ or "", Effect.DELIVERED.value), mark)
            memory.targets.put(place, target)
    elif entry.effect is Effect.EDIT:
        memory.targets.drop((conversation_id, event.body["original_event_id"]))
    elif entry.effect is Effect.DELETE:
        memory.targets.drop((conversation_id, event.body["event_id"]))
