"""Reading the log: single events, pages, what has been marked on an event."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, or_, select

from legato.conversations import Mark, Target
from legato.store.paging import grouped
from legato.store.rows import StoredEvent, stored_event_of
from legato.store.schema import events, receipts

# Stored bytes of one page: a thousand events of a kilobyte. Decoded, a body of empty arrays takes twenty times its
# length; a page of a thousand such events would take most of a gigabyte.
MAX_PAGE_BYTES: Final = 1024 * 1024
_FETCHED: Final = 100  # rows that PostgreSQL sends at a time where a page is longer


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


class EventPage(NamedTuple):
    """Events in the order asked for, and whether the query has more beyond the last of them."""

    events: list[StoredEvent]
    has_more: bool


def read_events(connection: Connection, query: EventQuery) -> list[StoredEvent]:
    """The events of ``read_page``."""
    return read_page(connection, query).events


def read_page(connection: Connection, query: EventQuery) -> EventPage:
    """At most ``query.limit`` events in order of id, filtered before they are counted, so that pages are full.

    A page whose payloads pass MAX_PAGE_BYTES ends before it does; it has one event at least.
    """
    statement = select(events).where(events.c.conversation_id == query.conversation_id)
    if query.start_id is not None:
        statement = statement.where(events.c.id >= query.start_id)
    if query.end_id is not None:
        statement = statement.where(events.c.id <= query.end_id)
    if query.without_deleted:
        statement = statement.where(events.c.deleted.is_(False))
    for wanted in query.types:
        statement = _of_types(statement, wanted)
    statement = statement.order_by(events.c.id.desc() if query.descending else events.c.id).limit(query.limit + 1)
    # Whatever the page leaves of a long list stays in the database.
    options = {"yield_per": _FETCHED} if query.limit > _FETCHED else {}
    found: list[StoredEvent] = []
    size = 0
    with connection.execute(statement, execution_options=options) as rows:
        for row in rows:
            size += len(row.payload)
            if len(found) == query.limit or (found and size > MAX_PAGE_BYTES):
                return EventPage(found, has_more=True)
            found.append(stored_event_of(row))
    return EventPage(found, has_more=False)


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
    # Conversation by conversation: for a list of pairs SQLite would look at every event there is.
    for conversation_id, ids in grouped(keys).items():
        mine = events.c.conversation_id == conversation_id
        for row in connection.execute(select(events).where(mine, events.c.id.in_(ids))):
            found[conversation_id, row.id] = Target(stored_event_of(row).event, row.deleted)
        theirs = receipts.c.conversation_id == conversation_id
        for row in connection.execute(select(receipts).where(theirs, receipts.c.event_id.in_(ids))):
            target = found.get((conversation_id, row.event_id))
            if target is not None:
                target.marks[row.member_id, row.kind] = Mark(row.at, row.receipt_id)
    return found


def _of_types(statement: Select[tuple[object, ...]], wanted: TypeFilter) -> Select[tuple[object, ...]]:
    if wanted.is_open:
        return statement
    clauses: list[ColumnElement[bool]] = [
        events.c.type.startswith(prefix, autoescape=True) for prefix in wanted.prefixes
    ]
    if wanted.exact:
        clauses.append(events.c.type.in_(sorted(wanted.exact)))
    return statement.where(or_(*clauses))
