"""Leases: lanes that one node works on for a while, what they have to send, and how far they have come."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, case, exists, select, update

from legato.store.lanes import is_log, webhook_id
from legato.store.paging import grouped
from legato.store.schema import endpoints, events, lanes, nodes, stream_events


class Lease(msgspec.Struct, frozen=True):
    """A lane that is ``node``'s for a while, as it stood then. ``attempts`` are at the event after ``cursor``."""

    node: str
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


class Page(msgspec.Struct, frozen=True):
    """The next events of a lane, whose head was at ``head``.

    Fewer than were asked for although the head is further: what stood there has been removed.
    """

    head: int
    events: list[Waiting]


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


def due_endpoints(connection: Connection, now: float, among: Collection[str] | None = None) -> list[str]:
    """Endpoints (of ``among``, or all) that something is due to be sent to and that may be sent it."""
    if among is None:
        return list(connection.execute(_DUE_ENDPOINTS, {"b_now": now}).scalars())
    return list(connection.execute(_DUE_AMONG, {"b_now": now, "b_endpoints": list(among)}).scalars())


def lease_lanes(connection: Connection, rooms: Mapping[str, int], node: str, now: float, until: float) -> list[Lease]:
    """Up to so many due lanes of each endpoint, ours until ``until``: those that wait longest.

    Whoever leases has locked the row that all writers take turns at, so nobody else leases meanwhile.
    """
    rows = _due_lanes(connection, rooms, now)
    if rows:
        taken = [
            {"b_endpoint": row.endpoint_id, "b_stream": row.stream, "b_node": node, "b_until": until} for row in rows
        ]
        connection.execute(_TAKE_LANE, taken)
    return [
        Lease(node, row.endpoint_id, row.stream, row.cursor, row.head, row.attempts, row.failing_since) for row in rows
    ]


def _due_lanes(connection: Connection, rooms: Mapping[str, int], now: float) -> list[Row[Any]]:
    """Most endpoints have a lane or two that are due, and one statement finds them all.

    One may have thousands, of which a few are wanted: then each is asked by itself.
    """
    if len(rooms) > 1:
        most = sum(rooms.values())
        asked = {"b_endpoints": list(rooms), "b_now": now, "b_most": most + 1}
        rows = connection.execute(_DUE_OF_ALL, asked).all()
        if len(rows) <= most:
            by_endpoint = grouped((row.endpoint_id, row) for row in rows)
            return [row for key, mine in by_endpoint.items() for row in sorted(mine, key=_age)[: rooms[key]]]
    return [
        row
        for endpoint_id, room in rooms.items()
        for row in connection.execute(_DUE_OF_ONE, {"b_endpoint": endpoint_id, "b_now": now, "b_most": room})
    ]


def _age(row: Row[Any]) -> tuple[float, str]:
    return row.due_at, row.stream


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
        for each in progress
    ]
    connection.execute(_SAVE_PROGRESS, rows)


def release_leases(connection: Connection, node: str | None = None) -> int:
    """Ends the leases of ``node``, or (None) those of nodes that are there no longer; how many."""
    gone = lanes.c.leased_by.not_in(select(nodes.c.id)) if node is None else lanes.c.leased_by == node
    # NULL is not in an empty set: where there are no nodes, lanes that nobody has would be written too.
    leased = lanes.c.leased_by.is_not(None)
    return connection.execute(update(lanes).where(leased, gone).values(leased_by=None, leased_until=0.0)).rowcount


def waiting_events(connection: Connection, lease: Lease, after: int, limit: int) -> Page | None:
    """What a lane has after event ``after``, in order, at most ``limit`` events.

    None when the lane is no more, or is another node's: a lease that ran out may have been taken.
    """
    place = {"b_endpoint": lease.endpoint_id, "b_stream": lease.stream, "b_node": lease.node}
    head = connection.execute(_HEAD, place).scalar_one_or_none()
    return None if head is None else _page(connection, lease.stream, after, head, limit)


def first_pages(connection: Connection, leases: Iterable[Lease], limit: int) -> list[Page]:
    """What each of these lanes, which have just been leased, has to send, at most ``limit`` events of each."""
    return [_page(connection, lease.stream, lease.cursor, lease.head, limit) for lease in leases]


def _page(connection: Connection, stream: str, after: int, head: int, limit: int) -> Page:
    if head <= after:
        return Page(after, [])
    span = {"b_stream": stream, "b_after": after, "b_head": head, "b_most": limit}
    if is_log(stream):
        logged_rows = connection.execute(_LOGGED, span)
        return Page(head, [Waiting(row.id, webhook_id(stream, row.id), row.payload) for row in logged_rows])
    rows = connection.execute(_UNLOGGED, span).all()
    logged = _from_logs(connection, [row.webhook_id for row in rows if row.payload is None])
    return Page(head, [Waiting(row.id, row.webhook_id, row.payload or logged.get(row.webhook_id, b"")) for row in rows])


def _from_logs(connection: Connection, known_by: Sequence[str]) -> dict[str, bytes]:
    """Events of logs by what they are known by; those that are gone are absent."""
    places = [(stream, int(event_id)) for stream, _, event_id in (each.rpartition("_") for each in known_by)]
    found = {}
    for stream, ids in grouped(places).items():
        query = select(events.c.id, events.c.payload).where(events.c.conversation_id == stream, events.c.id.in_(ids))
        found.update({webhook_id(stream, row.id): row.payload for row in connection.execute(query)})
    return found


# These are asked for with every event that is sent: building one takes longer than SQLite takes to answer it.
_IS_FREE = (lanes.c.due_at <= bindparam("b_now"), lanes.c.leased_until <= bindparam("b_now"))
_DUE_ENDPOINTS = select(endpoints.c.id).where(
    endpoints.c.state == "active",
    endpoints.c.due_at <= bindparam("b_now"),
    exists(select(lanes.c.stream).where(lanes.c.endpoint_id == endpoints.c.id, *_IS_FREE)),
)
_DUE_AMONG = _DUE_ENDPOINTS.where(endpoints.c.id.in_(bindparam("b_endpoints", expanding=True)))
_DUE: Select[Any] = select(
    lanes.c.endpoint_id,
    lanes.c.stream,
    lanes.c.cursor,
    lanes.c.head,
    lanes.c.attempts,
    lanes.c.failing_since,
    lanes.c.due_at,
).where(*_IS_FREE)
_DUE_OF_ALL = _DUE.where(lanes.c.endpoint_id.in_(bindparam("b_endpoints", expanding=True))).limit(bindparam("b_most"))
_DUE_OF_ONE = (
    _DUE.where(lanes.c.endpoint_id == bindparam("b_endpoint"))
    .order_by(lanes.c.due_at, lanes.c.stream)
    .limit(bindparam("b_most"))
)
_TAKE_LANE = (
    update(lanes)
    .where(lanes.c.endpoint_id == bindparam("b_endpoint"), lanes.c.stream == bindparam("b_stream"))
    .values(leased_by=bindparam("b_node"), leased_until=bindparam("b_until"))
)
_HEAD = select(lanes.c.head).where(
    lanes.c.endpoint_id == bindparam("b_endpoint"),
    lanes.c.stream == bindparam("b_stream"),
    lanes.c.leased_by == bindparam("b_node"),
)
_LOGGED = (
    select(events.c.id, events.c.payload)
    .where(
        events.c.conversation_id == bindparam("b_stream"),
        events.c.id > bindparam("b_after"),
        events.c.id <= bindparam("b_head"),
    )
    .order_by(events.c.id)
    .limit(bindparam("b_most"))
)
_UNLOGGED = (
    select(stream_events.c.id, stream_events.c.webhook_id, stream_events.c.payload)
    .where(
        stream_events.c.stream == bindparam("b_stream"),
        stream_events.c.id > bindparam("b_after"),
        stream_events.c.id <= bindparam("b_head"),
    )
    .order_by(stream_events.c.id)
    .limit(bindparam("b_most"))
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
