"""Reading the log: single events, pages, what a resuming session missed, what has been marked on an event."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, or_, select, tuple_

from legato.conversations import Mark, Target
from legato.store.rows import StoredEvent, stored_event_of
from legato.store.schema import conversations, events, members, receipts

# Rows read at a time when a log is walked backwards from its end to a commit number.
RESUME_STEP = 256


class TypeFilter(msgspec.Struct, frozen=True):
    """Which types a reader wants: ``exact`` names and ``prefixes`` (``member:``); both empty means all."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it lets every type through."""
        return not self.exact and not self.prefixes


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A page of a log. Bounds are inclusive ids; every filter in ``types`` must let an event through."""

    conversation_id: str
    limit: int
    descending: bool = False
    start_id: int | None = None
    end_id: int | None = None
    types: tuple[TypeFilter, ...] = ()
    without_deleted: bool = False


def read_events(connection: Connection, query: EventQuery) -> list[StoredEvent]:
    """At most ``query.limit`` events in order of id, filtered before they are counted, so that pages are full."""
    statement = select(events).where(events.c.conversation_id == query.conversation_id)
    if query.start_id is not None:
        statement = statement.where(events.c.id >= query.start_id)
    if query.end_id is not None:
        statement = statement.where(events.c.id <= query.end_id)
    if query.without_deleted:
        statement = statement.where(events.c.deleted.is_(False))
    for wanted in query.types:
        statement = _of_types(statement, wanted)
    statement = statement.order_by(events.c.id.desc() if query.descending else events.c.id).limit(query.limit)
    return [stored_event_of(row) for row in connection.execute(statement)]


def read_event(connection: Connection, conversation_id: str, event_id: int) -> StoredEvent | None:
    """One event, None when the log has no such id."""
    row = connection.execute(
        select(events).where(events.c.conversation_id == conversation_id, events.c.id == event_id)
    ).first()
    return stored_event_of(row) if row else None


def read_states(
    connection: Connection, conversation_id: str, event_ids: Collection[int]
) -> dict[int, dict[str, dict[str, str]]]:
    """``state`` of each event that has receipts: ``{event id: {"delivered_to": {member id: time}, …}}``."""
    states: dict[int, dict[str, dict[str, str]]] = {}
    if not event_ids:
        return states
    for row in connection.execute(
        select(receipts).where(receipts.c.conversation_id == conversation_id, receipts.c.event_id.in_(event_ids))
    ):
        states.setdefault(row.event_id, {}).setdefault(row.kind, {})[row.member_id] = row.at
    return states


def load_targets(connection: Connection, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], Target]:
    """The events named by (conversation id, event id), with their receipts; absent ones are absent."""
    found: dict[tuple[str, int], Target] = {}
    for row in connection.execute(select(events).where(tuple_(events.c.conversation_id, events.c.id).in_(keys))):
        found[row.conversation_id, row.id] = Target(stored_event_of(row).event, row.deleted)
    if found:
        for row in connection.execute(
            select(receipts).where(tuple_(receipts.c.conversation_id, receipts.c.event_id).in_(list(found)))
        ):
            target = found[row.conversation_id, row.event_id]
            target.marks[row.member_id, row.kind] = Mark(row.at, row.receipt_id)
    return found


def missed(
    connection: Connection, user_id: str, application_id: str, after_commit: int, limit: int
) -> list[StoredEvent]:
    """What the user's sessions would have heard since commit ``after_commit``, oldest first, at most ``limit``.

    A member hears its conversation from its own invitation or joining to its own leaving, both included.
    """
    spans = connection.execute(
        select(members.c.conversation_id, members.c.since, members.c.until)
        .join(conversations, conversations.c.id == members.c.conversation_id)
        .where(
            members.c.user_id == user_id,
            conversations.c.application_id == application_id,
            conversations.c.last_commit > after_commit,
            conversations.c.state != "DELETED",
        )
    ).all()
    found: dict[tuple[str, int], StoredEvent] = {}
    for span in spans:
        for stored in _tail(connection, span.conversation_id, span.since, span.until, after_commit):
            found[span.conversation_id, stored.event.id or 0] = stored
    return sorted(found.values(), key=lambda stored: stored.commit)[:limit]


def _tail(
    connection: Connection, conversation_id: str, since: int, until: int | None, after_commit: int
) -> list[StoredEvent]:
    """A log's events after a commit number. Commit numbers grow with ids, so it is read backwards from its end."""
    found: list[StoredEvent] = []
    upper = until
    while True:
        query = EventQuery(conversation_id, RESUME_STEP, descending=True, start_id=since, end_id=upper)
        step = read_events(connection, query)
        fresh = [stored for stored in step if stored.commit > after_commit]
        found += fresh
        if len(step) < RESUME_STEP or len(fresh) < len(step):
            return found
        upper = (step[-1].event.id or 0) - 1


def _of_types(statement: Select[tuple[object, ...]], wanted: TypeFilter) -> Select[tuple[object, ...]]:
    if wanted.is_open:
        return statement
    clauses: list[ColumnElement[bool]] = [
        events.c.type.startswith(prefix, autoescape=True) for prefix in wanted.prefixes
    ]
    if wanted.exact:
        clauses.append(events.c.type.in_(sorted(wanted.exact)))
    return statement.where(or_(*clauses))
