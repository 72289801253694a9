"""Leases: lanes that one node works on for a while, what they have to send, and how far they have come."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, bindparam, case, exists, select, update

from legato.store.lanes import is_log, webhook_id
from legato.store.paging import grouped
from legato.store.schema import endpoints, events, lanes, nodes, stream_events


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
