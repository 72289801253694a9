"""What time does to the rows: expiry, retention, and the removal of what was deleted."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from legato.conversations import Conversation, ConversationState, fold
from legato.store.conversations import load_conversations
from legato.store.endpoints import remove_endpoint
from legato.store.events import EventQuery, read_events
from legato.store.lane_upkeep import REMOVAL_STEP, least_cursor, waits_for_sending
from legato.store.schema import conversations, events, members, receipts, snapshots


class DueConversation(msgspec.Struct, frozen=True):
    """A conversation whose ttl may have run out: when something last happened in it, and its ttl in seconds."""

    id: str
    application_id: str
    last_activity: float
    ttl: float


def due_conversations(connection: Connection, now: float, limit: int) -> list[DueConversation]:
    """Conversations to look at: their next look is due at ``now``."""
    last = (
        select(events.c.created_at)
        .where(events.c.conversation_id == conversations.c.id, events.c.id == conversations.c.sequence)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(conversations, last.label("last_event"))
        .where(conversations.c.expires_at <= now, conversations.c.state != ConversationState.DELETED.value)
        .order_by(conversations.c.expires_at)
        .limit(limit)
    )
    return [
        DueConversation(row.id, row.application_id, row.last_event or row.created_at, row.properties.get("ttl") or 0)
        for row in rows
    ]


def look_again(connection: Connection, conversation_id: str, at: float | None) -> None:
    """Puts the next look at a conversation with a ttl off until ``at``."""
    connection.execute(update(conversations).where(conversations.c.id == conversation_id).values(expires_at=at))


def remove_deleted(connection: Connection, limit: int = REMOVAL_STEP) -> int:
    """Removes rows of deleted conversations, at most ``limit`` of them; how many, 0 when nothing is left."""
    # What webhooks have still to tell of it is told first.
    gone = connection.execute(
        select(conversations.c.id)
        .where(conversations.c.state == ConversationState.DELETED.value, ~waits_for_sending(conversations.c.id))
        .limit(1)
    ).scalar()
    if gone is None:
        return 0
    for table in (receipts, events):
        ids = select(table.c.id if table is events else table.c.event_id).where(table.c.conversation_id == gone)
        upper = connection.execute(ids.order_by(ids.selected_columns[0]).offset(limit).limit(1)).scalar()
        number = ids.selected_columns[0]
        step = delete(table).where(table.c.conversation_id == gone)
        removed = connection.execute(step if upper is None else step.where(number < upper)).rowcount
        if removed:
            return removed
    for table in (members, snapshots):
        connection.execute(delete(table).where(table.c.conversation_id == gone))
    remove_endpoint(connection, gone)
    connection.execute(delete(conversations).where(conversations.c.id == gone))
    return 1


def cut_log(connection: Connection, conversation_id: str, before: float) -> int:
    """Removes the log's prefix of events older than ``before``, after a snapshot of the state at the cut.

    The last event always stays, and so does what webhooks have still to tell; ids are never given out again. The
    number of events removed; none of a conversation that was deleted, whose log goes as a whole.
    """
    row = connection.execute(
        select(conversations.c.sequence, conversations.c.retained_from).where(
            conversations.c.id == conversation_id, conversations.c.state != ConversationState.DELETED.value
        )
    ).first()
    if row is None:
        return 0
    told = least_cursor(connection, conversation_id)
    newest = connection.execute(
        select(events.c.id)
        .where(
            events.c.conversation_id == conversation_id,
            events.c.created_at < before,
            events.c.id < row.sequence,
            events.c.id < row.retained_from + REMOVAL_STEP,
            events.c.id <= (row.sequence if told is None else told),
        )
        .order_by(events.c.id.desc())
        .limit(1)
    ).scalar()
    if newest is None:
        return 0
    state = state_at(connection, conversation_id, newest)
    connection.execute(delete(snapshots).where(snapshots.c.conversation_id == conversation_id))
    connection.execute(
        insert(snapshots).values(conversation_id=conversation_id, sequence=newest, state=msgspec.json.encode(state))
    )
    for table, number in ((receipts, receipts.c.event_id), (events, events.c.id)):
        connection.execute(delete(table).where(table.c.conversation_id == conversation_id, number <= newest))
    connection.execute(
        update(conversations).where(conversations.c.id == conversation_id).values(retained_from=newest + 1)
    )
    return int(newest - row.retained_from + 1)


def expired_logs(connection: Connection, before: float, limit: int) -> list[str]:
    """Conversations whose oldest retained event is older than ``before`` and not their last."""
    rows = connection.execute(
        select(conversations.c.id)
        .join(
            events,
            (events.c.conversation_id == conversations.c.id) & (events.c.id == conversations.c.retained_from),
        )
        .where(
            events.c.created_at < before,
            conversations.c.retained_from < conversations.c.sequence,
            conversations.c.state != ConversationState.DELETED.value,
        )
        .limit(limit)
    )
    return [row.id for row in rows]


def state_at(connection: Connection, conversation_id: str, sequence: int) -> Conversation:
    """The fold of the log up to event ``sequence``: from the last snapshot, else from the beginning."""
    row = connection.execute(select(snapshots.c.state).where(snapshots.c.conversation_id == conversation_id)).scalar()
    state = beginning(connection, conversation_id) if row is None else msgspec.json.decode(row, type=Conversation)
    query: dict[str, Any] = {"conversation_id": conversation_id, "limit": REMOVAL_STEP, "end_id": sequence}
    while state.sequence < sequence:
        page = read_events(connection, EventQuery(start_id=state.sequence + 1, **query))
        if not page:
            raise ValueError(f"the log of {conversation_id} ends at {state.sequence}, before {sequence}")
        state = fold(state, [stored.event for stored in page])
    return state


def beginning(connection: Connection, conversation_id: str) -> Conversation:
    """The conversation as it was created, before its first event, as far as its row remembers."""
    now = load_conversations(connection, [conversation_id])[conversation_id]
    created = {"created": now.timestamp["created"]}
    return Conversation(
        id=now.id,
        application_id=now.application_id,
        name=now.name,
        display_name=now.display_name,
        image_url=now.image_url,
        properties=now.properties,
        numbers=now.numbers,
        callback=now.callback,
        timestamp=created,
    )
