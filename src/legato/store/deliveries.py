"""How the deliveries of one conversation stand at one endpoint: its lane, and what became of each event."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec
from sqlalchemy import Connection, case, func, select, update

from legato.store.lanes import webhook_id
from legato.store.schema import attempts, dead_letters, lanes

State = Literal["delivered", "retrying", "dead"]


class Lane(msgspec.Struct, frozen=True):
    """As in ``legato.store.lanes``: events up to ``cursor`` are done with, those up to ``head`` are to be sent.

    ``attempts`` were made at the event after the cursor; ``due_at`` is None when nothing is to be sent.
    """

    head: int = 0
    cursor: int = 0
    attempts: int = 0
    due_at: float | None = None


class Mark(msgspec.Struct, frozen=True):
    """What became of an event that was sent at least once, and how often it was."""

    state: State
    attempts: int


class Place(msgspec.Struct, frozen=True):
    """How far somebody has read: the ids of an attempt and of a dead letter."""

    attempt: int = 0
    letter: int = 0


def read_lane(connection: Connection, endpoint_id: str, stream: str) -> Lane:
    """The lane; at its beginning when nothing has happened there yet."""
    row = connection.execute(
        select(lanes.c.head, lanes.c.cursor, lanes.c.attempts, lanes.c.due_at).where(
            lanes.c.endpoint_id == endpoint_id, lanes.c.stream == stream
        )
    ).first()
    return Lane() if row is None else Lane(*row)


def read_marks(
    connection: Connection, endpoint_id: str, conversation_id: str, event_ids: Collection[int]
) -> dict[int, Mark]:
    """The marks of these events; those that were never sent, or whose attempts are forgotten, have none."""
    known_by = {webhook_id(conversation_id, event_id): event_id for event_id in event_ids}
    if not known_by:
        return {}
    taken = func.sum(case((attempts.c.status.between(200, 299), 1), else_=0))
    sent = connection.execute(
        select(attempts.c.webhook_id, func.count(), taken)
        .where(attempts.c.webhook_id.in_(known_by), attempts.c.endpoint_id == endpoint_id)
        .group_by(attempts.c.webhook_id)
    ).all()
    dead = set(
        connection.execute(
            select(dead_letters.c.webhook_id).where(
                dead_letters.c.endpoint_id == endpoint_id,
                dead_letters.c.webhook_id.in_(known_by),
                dead_letters.c.replayed_at.is_(None),
            )
        ).scalars()
    )
    return {known_by[name]: Mark(_state(bool(successes), name in dead), count) for name, count, successes in sent}


def _state(is_taken: bool, is_dead: bool) -> State:
    if is_taken:
        return "delivered"
    return "dead" if is_dead else "retrying"


def newest_place(connection: Connection, endpoint_id: str) -> Place:
    """Where who wants to hear what comes from now on begins to read."""
    return Place(
        *(
            connection.execute(select(func.max(table.c.id)).where(table.c.endpoint_id == endpoint_id)).scalar_one() or 0
            for table in (attempts, dead_letters)
        )
    )


def sent_since(
    connection: Connection, endpoint_id: str, conversation_id: str, place: Place, limit: int
) -> tuple[Place, set[int]]:
    """Events of a conversation that something became of after ``place``, and how far that has been read.

    At most ``limit`` attempts are read. Ids are taken in the order of commits: there is one process that writes.
    """
    found = set()
    reached = []
    for table, after in ((attempts, place.attempt), (dead_letters, place.letter)):
        rows = connection.execute(
            select(table.c.id, table.c.webhook_id)
            .where(table.c.endpoint_id == endpoint_id, table.c.id > after)
            .order_by(table.c.id)
            .limit(limit)
        ).all()
        reached.append(rows[-1].id if rows else after)
        for row in rows:
            stream, _, event_id = row.webhook_id.rpartition("_")
            if stream == conversation_id:
                found.add(int(event_id))
    return Place(*reached), found


def mark_letters_replayed(connection: Connection, endpoint_id: str, known_by: str, now: float) -> None:
    """The event is being sent again: if it was given up, it is not any more."""
    connection.execute(
        update(dead_letters)
        .where(
            dead_letters.c.endpoint_id == endpoint_id,
            dead_letters.c.webhook_id == known_by,
            dead_letters.c.replayed_at.is_(None),
        )
        .values(replayed_at=now)
    )
