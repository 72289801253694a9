"""Lanes: how far each endpoint has come on each stream of events, moved in the same commit as the events.

::

    stream     1  2  3  4  5  6  7          a conversation's log; or rows of ``stream_events`` where there is no log
    lane                ▲        ▲
                     cursor     head        what lies between is still to be sent, in order

A lane is due while its head is ahead of its cursor. Whoever works on it leases it first, so that one node at a time
does; a lease that is not renewed runs out, and another node goes on from the cursor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from legato.events.envelope import Event, encode_event
from legato.store.endpoints import change_endpoint
from legato.store.paging import grouped
from legato.store.schema import (
    conversations,
    counters,
    endpoints,
    events,
    lanes,
    nodes,
    stream_events,
)

REPLAY: Final = "replay:"
_STREAM_COUNTER: Final = "stream:"  # the names of their counters begin so
# Rows removed in one transaction, so that nobody waits long behind it.
REMOVAL_STEP: Final = 1_000


class Step(msgspec.Struct, frozen=True):
    """A stream moved from ``before`` to ``head``. It belongs to ``application_id``."""

    stream: str
    application_id: str
    before: int
    head: int


class Lease(msgspec.Struct, frozen=True):
    """A lane that is ours for a while, as it stood then. ``attempts`` are at the event after ``cursor``."""

    endpoint_id: str
    stream: str
    cursor: int
    head: int
    attempts: int
    failing_since: float | None


class Waiting(msgspec.Struct, frozen=True):
    """An event of a stream: ``payload`` is the Event as JSON, ``webhook_id`` what its requests are known by.

    The payload of a replay is empty when the event was removed meanwhile.
    """

    id: int
    webhook_id: str
    payload: bytes


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a leased lane now is. ``due_at`` is when to try again; None: at once if there is more. ``release``: the
    lease ends."""

    endpoint_id: str
    stream: str
    cursor: int
    attempts: int = 0
    failing_since: float | None = None
    due_at: float | None = None
    release: bool = False


def webhook_id(stream: str, event_id: int) -> str:
    """What an event's requests are known by: the same at every attempt, to every endpoint, in every replay."""
    return f"{stream}_{event_id}"


def is_log(stream: str) -> bool:
    """Whether a stream is a conversation, whose events stand in its log."""
    return stream.startswith("CON-")


# -- in the commit of the events --------------------------------------------------------------------------------------


def move_lanes(connection: Connection, steps: Iterable[Step], now: float) -> None:
    """The lanes of every endpoint that hears these streams. An endpoint that is new hears what comes from here on."""
    # In one order everywhere: two nodes that move the same lanes wait for each other, and do not lock each other out.
    rows = [
        {
            "stream": step.stream,
            "application": step.application_id,
            "before": step.before,
            "head": step.head,
            "now": now,
        }
        for step in sorted(steps, key=lambda step: step.stream)
        if step.head > step.before
    ]
    if rows:
        connection.execute(_MOVE_LANES, rows)


def append_to_streams(connection: Connection, unlogged: Sequence[Event], now: float) -> list[Step]:
    """Keeps events that no log has, each in the stream of its application, if an endpoint hears it."""
    if not unlogged:
        return []
    listening = _listening(connection, {event.application_id for event in unlogged})
    steps: list[Step] = []
    for application_id in sorted(listening):
        mine = [event for event in unlogged if event.application_id == application_id]
        last = _take_ids(connection, application_id, len(mine))
        first = last - len(mine) + 1
        rows = [
            _stream_row(application_id, at, application_id, webhook_id(application_id, at), encode_event(event), now)
            for at, event in enumerate(mine, first)
        ]
        connection.execute(insert(stream_events), rows)
        steps.append(Step(application_id, application_id, first - 1, last))
    return steps


def _listening(connection: Connection, application_ids: Collection[str]) -> set[str]:
    return set(connection.execute(select(endpoints.c.id).where(endpoints.c.id.in_(application_ids))).scalars())


def _take_ids(connection: Connection, stream: str, count: int) -> int:
    """Takes ``count`` ids of a stream; the last of them. They are never given out again."""
    name = f"{_STREAM_COUNTER}{stream}"
    step = update(counters).where(counters.c.name == name).values(value=counters.c.value + count)
    if connection.execute(step).rowcount == 0:
        connection.execute(insert(counters).values(name=name, value=count))
    return int(connection.execute(select(counters.c.value).where(counters.c.name == name)).scalar_one())


def _stream_row(
    stream: str, event_id: int, application_id: str, known_by: str, payload: bytes | None, now: float
) -> dict[str, Any]:
    return {
        "stream": stream,
        "id": event_id,
        "application_id": application_id,
        "webhook_id": known_by,
        "payload": payload,
        "created_at": now,
    }


# -- leasing and working ----------------------------------------------------------------------------------------------


def due_endpoints(connection: Connection, now: float) -> list[str]:
    """Endpoints that something is due to be sent to and that may be sent it."""
    due = exists(
        select(lanes.c.stream).where(
            lanes.c.endpoint_id == endpoints.c.id, lanes.c.due_at <= now, lanes.c.leased_until <= now
        )
    )
    query = select(endpoints.c.id).where(endpoints.c.state == "active", endpoints.c.due_at <= now, due)
    return list(connection.execute(query).scalars())


def lease_lanes(
    connection: Connection, endpoint_id: str, node: str, now: float, until: float, limit: int
) -> list[Lease]:
    """Up to ``limit`` due lanes of an endpoint, ours until ``until``: those that wait longest."""
    query = (
        select(lanes)
        .where(lanes.c.endpoint_id == endpoint_id, lanes.c.due_at <= now, lanes.c.leased_until <= now)
        .order_by(lanes.c.due_at, lanes.c.stream)
        .limit(limit)
        .with_for_update(
            skip_locked=True
        )  # PostgreSQL: another node may be leasing; SQLite has one writer and no such word
    )
    rows = connection.execute(query).all()
    if rows:
        streams = [row.stream for row in rows]
        connection.execute(
            update(lanes)
            .where(lanes.c.endpoint_id == endpoint_id, lanes.c.stream.in_(streams))
            .values(leased_by=node, leased_until=until)
        )
    return [Lease(row.endpoint_id, row.stream, row.cursor, row.head, row.attempts, row.failing_since) for row in rows]


def save_progress(connection: Connection, node: str, progress: Collection[Progress], now: float, until: float) -> None:
    """Where leased lanes now are. A lane that another node has taken meanwhile stays where that node has it."""
    if not progress:
        return
    rows = [
        {
            "b_node": node,
            "b_endpoint": each.endpoint_id,
            "b_stream": each.stream,
            "b_cursor": each.cursor,
            "b_attempts": each.attempts,
            "b_failing_since": each.failing_since,
            "b_due_at": now if each.due_at is None else each.due_at,
            "b_leased_by": None if each.release else node,
            "b_leased_until": 0.0 if each.release else until,
        }
        for each in sorted(progress, key=lambda each: each.stream)
    ]
    connection.execute(_SAVE_PROGRESS, rows)


def release_leases(connection: Connection, node: str | None = None) -> None:
    """Ends the leases of ``node``, or (None) those of nodes that are there no longer."""
    gone = lanes.c.leased_by.not_in(select(nodes.c.id)) if node is None else lanes.c.leased_by == node
    connection.execute(update(lanes).where(gone).values(leased_by=None, leased_until=0.0))


def waiting_events(connection: Connection, lease: Lease, after: int, limit: int) -> tuple[int, list[Waiting]]:
    """The head of a lane and what its stream has after event ``after``, in order, at most ``limit`` events.

    None although the head is further: what stood there has been removed.
    """
    head = connection.execute(
        select(lanes.c.head).where(lanes.c.endpoint_id == lease.endpoint_id, lanes.c.stream == lease.stream)
    ).scalar_one_or_none()
    if head is None or head <= after:
        return after, []
    if is_log(lease.stream):
        query = (
            select(events.c.id, events.c.payload)
            .where(events.c.conversation_id == lease.stream, events.c.id > after, events.c.id <= head)
            .order_by(events.c.id)
            .limit(limit)
        )
        logged_rows = connection.execute(query)
        return head, [Waiting(row.id, webhook_id(lease.stream, row.id), row.payload) for row in logged_rows]
    unlogged = (
        select(stream_events.c.id, stream_events.c.webhook_id, stream_events.c.payload)
        .where(stream_events.c.stream == lease.stream, stream_events.c.id > after, stream_events.c.id <= head)
        .order_by(stream_events.c.id)
        .limit(limit)
    )
    rows = connection.execute(unlogged).all()
    logged = _from_logs(connection, [row.webhook_id for row in rows if row.payload is None])
    found = [Waiting(row.id, row.webhook_id, row.payload or logged.get(row.webhook_id, b"")) for row in rows]
    return head, found


def _from_logs(connection: Connection, known_by: Sequence[str]) -> dict[str, bytes]:
    """Events of logs by what they are known by; those that are gone are absent."""
    places = [(stream, int(event_id)) for stream, _, event_id in (each.rpartition("_") for each in known_by)]
    found = {}
    for stream, ids in grouped(places).items():
        query = select(events.c.id, events.c.payload).where(events.c.conversation_id == stream, events.c.id.in_(ids))
        found.update({webhook_id(stream, row.id): row.payload for row in connection.execute(query)})
    return found


# -- what operators ask for -------------------------------------------------------------------------------------------


def backlog(connection: Connection, endpoint_id: str) -> tuple[int, int]:
    """How many events wait for an endpoint, in how many streams."""
    query = select(func.coalesce(func.sum(lanes.c.head - lanes.c.cursor), 0), func.count()).where(
        lanes.c.endpoint_id == endpoint_id, lanes.c.due_at.is_not(None)
    )
    total, streams = connection.execute(query).one()
    return int(total), int(streams)


def resume_endpoint(connection: Connection, endpoint_id: str, now: float) -> bool:
    """An endpoint that was paused, disabled or waited for is well again, as far as we know, and everything that waits
    for it is due now. False when there is none.
    """
    connection.execute(update(lanes).where(lanes.c.endpoint_id == endpoint_id, lanes.c.due_at > now).values(due_at=now))
    return change_endpoint(
        connection,
        endpoint_id,
        state="active",
        why=None,
        failures=0,
        failing_since=None,
        due_at=0.0,
        updated_at=now,
    )


class Again(msgspec.Struct, frozen=True):
    """An event to send again under the id it had; ``payload`` None: as its log has it by then."""

    webhook_id: str
    payload: bytes | None = None


def add_replay(
    connection: Connection, stream: str, endpoint_id: str, application_id: str, again: Sequence[Again], now: float
) -> None:
    """A new stream, for one endpoint, of events that it is to be sent again."""
    rows = [
        _stream_row(stream, at, application_id, each.webhook_id, each.payload, now) for at, each in enumerate(again, 1)
    ]
    connection.execute(insert(stream_events), rows)
    connection.execute(
        insert(lanes).values(
            endpoint_id=endpoint_id, stream=stream, head=len(rows), cursor=0, attempts=0, due_at=now, leased_until=0.0
        )
    )


# -- upkeep -----------------------------------------------------------------------------------------------------------


def waits_for_sending(stream: Any) -> Any:
    """A condition: an endpoint that has not been given up still has events of ``stream`` (a column) to get."""
    return exists(
        select(lanes.c.stream)
        .join(endpoints, endpoints.c.id == lanes.c.endpoint_id)
        .where(lanes.c.stream == stream, lanes.c.due_at.is_not(None), endpoints.c.state != "disabled")
    )


def least_cursor(connection: Connection, stream: str) -> int | None:
    """How far the slowest endpoint has come that still has events of ``stream`` to get; None: nobody has."""
    query = (
        select(func.min(lanes.c.cursor))
        .join(endpoints, endpoints.c.id == lanes.c.endpoint_id)
        .where(lanes.c.stream == stream, lanes.c.due_at.is_not(None), endpoints.c.state != "disabled")
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else int(found)


def remove_sent(connection: Connection, limit: int = REMOVAL_STEP) -> int:
    """Removes events without a log that no lane has still to send, and the lanes of replays that are done; how many.

    An endpoint that was disabled is waited for no longer.
    """
    behind = exists(
        select(lanes.c.stream)
        .join(endpoints, endpoints.c.id == lanes.c.endpoint_id)
        .where(
            lanes.c.stream == stream_events.c.stream,
            lanes.c.cursor < stream_events.c.id,
            endpoints.c.state != "disabled",
        )
    )
    sent = connection.execute(select(stream_events.c.stream, stream_events.c.id).where(~behind).limit(limit)).all()
    if sent:
        connection.execute(_REMOVE_SENT, [{"b_stream": row.stream, "b_id": row.id} for row in sent])
    done = and_(lanes.c.stream.startswith(REPLAY), lanes.c.due_at.is_(None))
    return len(sent) + connection.execute(delete(lanes).where(done)).rowcount


def remove_orphans(connection: Connection, limit: int = REMOVAL_STEP) -> int:
    """Removes lanes whose endpoint is no more, or whose conversation is; how many, 0 when nothing is left."""
    endpoint_there = exists(select(endpoints.c.id).where(endpoints.c.id == lanes.c.endpoint_id))
    conversation_there = exists(select(conversations.c.id).where(conversations.c.id == lanes.c.stream))
    gone = connection.execute(
        select(lanes.c.endpoint_id, lanes.c.stream)
        .where(or_(~endpoint_there, and_(lanes.c.stream.startswith("CON-"), ~conversation_there)))
        .limit(limit)
    ).all()
    if gone:
        rows = [{"b_endpoint": row.endpoint_id, "b_stream": row.stream} for row in gone]
        connection.execute(_REMOVE_LANE, rows)
    return len(gone)


def forget_stream(connection: Connection, stream: str) -> None:
    """The stream is over: its ids need not be remembered any more."""
    connection.execute(delete(counters).where(counters.c.name == f"{_STREAM_COUNTER}{stream}"))


# Endpoints are known by whom they are of, so the two that may hear a conversation are found by their keys.
_MOVE_LANES = text(
    "INSERT INTO lanes (endpoint_id, stream, head, cursor, attempts, due_at, leased_until) "
    "SELECT id, CAST(:stream AS VARCHAR), CAST(:head AS BIGINT), CAST(:before AS BIGINT), 0, "
    "CAST(:now AS DOUBLE PRECISION), 0 FROM endpoints WHERE id IN (:application, CAST(:stream AS VARCHAR)) "
    "ON CONFLICT (endpoint_id, stream) DO UPDATE SET head = excluded.head, "
    "due_at = COALESCE(lanes.due_at, excluded.due_at)"
)
_REMOVE_SENT = delete(stream_events).where(
    stream_events.c.stream == bindparam("b_stream"), stream_events.c.id == bindparam("b_id")
)
_REMOVE_LANE = delete(lanes).where(
    lanes.c.endpoint_id == bindparam("b_endpoint"), lanes.c.stream == bindparam("b_stream")
)
_SAVE_PROGRESS = (
    update(lanes)
    .where(
        lanes.c.endpoint_id == bindparam("b_endpoint"),
        lanes.c.stream == bindparam("b_stream"),
        lanes.c.leased_by == bindparam("b_node"),
    )
    .values(
        cursor=bindparam("b_cursor"),
        attempts=bindparam("b_attempts"),
        failing_since=bindparam("b_failing_since"),
        due_at=case((lanes.c.head > bindparam("b_cursor"), bindparam("b_due_at")), else_=None),
        leased_by=bindparam("b_leased_by"),
        leased_until=bindparam("b_leased_until"),
    )
)
