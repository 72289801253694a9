"""Upkeep of lanes: what is still to be sent stays, what has been sent and what leads nowhere goes."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Select, and_, bindparam, delete, exists, func, or_, select

from legato.store.lanes import STREAM
from legato.store.replays import REPLAY
from legato.store.schema import conversations, counters, endpoints, lanes, stream_events

# Rows removed in one transaction, so that nobody waits long behind it.
REMOVAL_STEP: Final = 1_000


def _waited_for(what: Any) -> Select[Any]:
    """Of lanes whose endpoint has not been given up: one that was disabled is waited for no longer."""
    mine = endpoints.c.id == lanes.c.endpoint_id
    return select(what).select_from(lanes).join(endpoints, mine).where(endpoints.c.state != "disabled")


def waits_for_sending(stream: Any) -> Any:
    """A condition: an endpoint that has not been given up still has events of ``stream`` (a column) to get."""
    return exists(_waited_for(lanes.c.stream).where(lanes.c.stream == stream, lanes.c.due_at.is_not(None)))


def least_cursor(connection: Connection, stream: str) -> int | None:
    """How far the slowest endpoint has come that still has events of ``stream`` to get; None: nobody has."""
    query = _waited_for(func.min(lanes.c.cursor)).where(lanes.c.stream == stream, lanes.c.due_at.is_not(None))
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else int(found)


def remove_sent(connection: Connection, limit: int = REMOVAL_STEP) -> int:
    """Removes events without a log that no lane has still to send, and the lanes of replays that are done; how many.

    A replay stays whatever becomes of its endpoint: somebody has asked for it, perhaps to resume the endpoint next.
    """
    mine = (lanes.c.stream == stream_events.c.stream, lanes.c.cursor < stream_events.c.id)
    behind = or_(
        exists(_waited_for(lanes.c.stream).where(*mine)),
        and_(stream_events.c.stream.startswith(REPLAY), exists(select(lanes.c.stream).where(*mine))),
    )
    sent = connection.execute(select(stream_events.c.stream, stream_events.c.id).where(~behind).limit(limit)).all()
    if sent:
        connection.execute(_REMOVE_SENT, [{"b_stream": row.stream, "b_id": row.id} for row in sent])
    done = and_(lanes.c.stream.startswith(REPLAY), lanes.c.due_at.is_(None))
    return len(sent) + connection.execute(delete(lanes).where(done)).rowcount


def forget_streams(connection: Connection, before: float, limit: int = REMOVAL_STEP) -> int:
    """Removes what is left of legs and knockers of which nothing waits, and nothing was said, put aside or sent again
    since ``before``; how many. The ids of their events would be given out again.
    """
    stream = func.substr(counters.c.name, len(STREAM) + 1)
    waiting = exists(select(stream_events.c.stream).where(stream_events.c.stream == stream))
    over = connection.execute(
        select(counters.c.name, stream.label("stream")).where(counters.c.used_at < before, ~waiting).limit(limit)
    ).all()
    if over:
        rows = [{"b_name": row.name, "b_stream": row.stream} for row in over]
        connection.execute(_REMOVE_LANES, rows)
        connection.execute(_REMOVE_COUNTER, rows)
    return len(over)


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


_REMOVE_SENT = delete(stream_events).where(
    stream_events.c.stream == bindparam("b_stream"), stream_events.c.id == bindparam("b_id")
)
_REMOVE_LANE = delete(lanes).where(
    lanes.c.endpoint_id == bindparam("b_endpoint"), lanes.c.stream == bindparam("b_stream")
)
_REMOVE_LANES = delete(lanes).where(lanes.c.stream == bindparam("b_stream"))
_REMOVE_COUNTER = delete(counters).where(counters.c.name == bindparam("b_name"))
