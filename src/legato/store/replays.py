"""Replays: streams of one endpoint, of events that it is sent again; and what operators ask of lanes besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, and_, func, insert, select, update

from legato.events.refusal import Overloaded
from legato.store.endpoints import change_endpoint
from legato.store.lanes import remember_streams, stream_row
from legato.store.schema import endpoints, lanes, stream_events

REPLAY: Final = "replay:"  # their names begin so
# That wait for one endpoint; each may hold thousands of events.
MAX_REPLAYS: Final = 100


def backlog(connection: Connection, endpoint_id: str) -> tuple[int, int]:
    """How many events wait for an endpoint, in how many streams."""
    query = select(func.coalesce(func.sum(lanes.c.head - lanes.c.cursor), 0), func.count()).where(
        lanes.c.endpoint_id == endpoint_id, lanes.c.due_at.is_not(None)
    )
    total, streams = connection.execute(query).one()
    return int(total), int(streams)


def events_waiting(connection: Connection) -> int:
    """How many events endpoints are still to get, each counted for every endpoint; those given up get none."""
    due = and_(lanes.c.endpoint_id == endpoints.c.id, lanes.c.due_at >= 0)  # the range of an index; NULL is not in it
    query = select(func.coalesce(func.sum(lanes.c.head - lanes.c.cursor), 0)).select_from(endpoints.join(lanes, due))
    return int(connection.execute(query.where(endpoints.c.state != "disabled")).scalar_one())


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
    """A new stream, for one endpoint, of events that it is to be sent again. Raises Overloaded."""
    mine = (lanes.c.endpoint_id == endpoint_id, lanes.c.stream.startswith(REPLAY), lanes.c.due_at.is_not(None))
    if connection.execute(select(func.count()).select_from(lanes).where(*mine)).scalar_one() >= MAX_REPLAYS:
        raise Overloaded(f"{MAX_REPLAYS} replays wait for this endpoint: resume it, or wait until they are sent.")
    rows = [
        stream_row(stream, at, application_id, each.webhook_id, each.payload, now) for at, each in enumerate(again, 1)
    ]
    connection.execute(insert(stream_events), rows)
    remember_streams(connection, [each.webhook_id for each in again], now)
    connection.execute(
        insert(lanes).values(
            endpoint_id=endpoint_id, stream=stream, head=len(rows), cursor=0, attempts=0, due_at=now, leased_until=0.0
        )
    )
