"""Lanes: how far each endpoint has come on each stream of events, moved in the same commit as the events.

::

    stream     1  2  3  4  5  6  7          a conversation's log; or rows of ``stream_events`` where there is no log:
                                            of a knocker or a leg without a conversation, or of the application
    lane                ▲        ▲
                     cursor     head        what lies between is still to be sent, in order

A lane is due while its head is ahead of its cursor. Whoever works on it leases it first, so that one node at a time
does; a lease that is not renewed runs out, and another node goes on from the cursor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, text, update

from legato.events import CATALOGUE
from legato.events.catalogue import Storage
from legato.events.envelope import Event, encode_event
from legato.store.paging import grouped
from legato.store.schema import counters, endpoints, stream_events

STREAM: Final = "stream:"  # the names of their counters begin so
_KNOCKER: Final = "knocker:"  # whom its events are from


class Step(msgspec.Struct, frozen=True):
    """A stream moved from ``before`` to ``head``. It belongs to ``application_id``."""

    stream: str
    application_id: str
    before: int
    head: int


def webhook_id(stream: str, event_id: int) -> str:
    """What an event's requests are known by: the same at every attempt, to every endpoint, in every replay."""
    return f"{stream}_{event_id}"


def is_log(stream: str) -> bool:
    """Whether a stream is a conversation, whose events stand in its log."""
    return stream.startswith("CON-")


def move_lanes(connection: Connection, steps: Iterable[Step], now: float) -> None:
    """The lanes of every endpoint that hears these streams. An endpoint that is new hears what comes from here on."""
    rows = [
        {
            "stream": step.stream,
            "application": step.application_id,
            "before": step.before,
            "head": step.head,
            "now": now,
        }
        for step in steps
        if step.head > step.before
    ]
    if rows:
        connection.execute(_MOVE_LANES, rows)


def stream_of(event: Event) -> str:
    """The stream of an event that no log has: its knocker's, its leg's before there is a conversation, or else its
    application's. Of a call that comes in, ``app:knocking`` is the knocker's and ``sip:ringing`` the leg's.
    """
    if CATALOGUE[event.type].storage is Storage.APPLICATION:
        sender = event.from_ or ""
        return sender.removeprefix(_KNOCKER) if sender.startswith(_KNOCKER) else event.application_id
    leg = event.body.get("leg_id") or event.body.get("channel", {}).get("id")
    return leg or event.application_id


def append_to_streams(connection: Connection, unlogged: Sequence[Event], now: float) -> list[Step]:
    """Keeps events that no log has, each in its stream, if an endpoint hears it."""
    if not unlogged:
        return []
    listening = _listening(connection, {event.application_id for event in unlogged})
    heard = grouped((stream_of(event), event) for event in unlogged if event.application_id in listening)
    steps: list[Step] = []
    for stream, mine in heard.items():
        application_id = mine[0].application_id
        last = _take_ids(connection, stream, application_id, len(mine), now)
        first = last - len(mine) + 1
        rows = [
            stream_row(stream, at, application_id, webhook_id(stream, at), encode_event(event), now)
            for at, event in enumerate(mine, first)
        ]
        connection.execute(insert(stream_events), rows)
        steps.append(Step(stream, application_id, first - 1, last))
    return steps


def _listening(connection: Connection, application_ids: Collection[str]) -> set[str]:
    return set(connection.execute(select(endpoints.c.id).where(endpoints.c.id.in_(application_ids))).scalars())


def _take_ids(connection: Connection, stream: str, application_id: str, count: int, now: float) -> int:
    """Takes ``count`` ids of a stream; the last of them. They are not given out again while the stream is known."""
    used_at = None if stream == application_id else now
    name = f"{STREAM}{stream}"
    step = update(counters).where(counters.c.name == name).values(value=counters.c.value + count, used_at=used_at)
    if connection.execute(step).rowcount == 0:
        row = {"name": name, "value": count, "application_id": application_id, "used_at": used_at}
        connection.execute(insert(counters).values(row))
    return int(connection.execute(select(counters.c.value).where(counters.c.name == name)).scalar_one())


def remember_streams(connection: Connection, known_by: Iterable[str], now: float) -> None:
    """Something may come of events of these streams yet, named by webhook ids: a leg's is not forgotten soon."""
    streams = {each.rpartition("_")[0] for each in known_by}
    rows = [{"b_name": f"{STREAM}{stream}", "b_now": now} for stream in streams if not is_log(stream)]
    if rows:
        connection.execute(_REMEMBER, rows)


def stream_row(
    stream: str, event_id: int, application_id: str, known_by: str, payload: bytes | None, now: float
) -> dict[str, Any]:
    """A row of ``stream_events``."""
    return {
        "stream": stream,
        "id": event_id,
        "application_id": application_id,
        "webhook_id": known_by,
        "payload": payload,
        "created_at": now,
    }


# Endpoints are known by whom they are of, so the two that may hear a conversation are found by their keys.
_MOVE_LANES = text(
    "INSERT INTO lanes (endpoint_id, stream, head, cursor, attempts, due_at, leased_until) "
    "SELECT id, CAST(:stream AS VARCHAR), CAST(:head AS BIGINT), CAST(:before AS BIGINT), 0, "
    "CAST(:now AS DOUBLE PRECISION), 0 FROM endpoints WHERE id IN (:application, CAST(:stream AS VARCHAR)) "
    "ON CONFLICT (endpoint_id, stream) DO UPDATE SET head = excluded.head, "
    "due_at = COALESCE(lanes.due_at, excluded.due_at)"
)
_REMEMBER = (
    update(counters)
    .where(counters.c.name == bindparam("b_name"), counters.c.used_at < bindparam("b_now"))
    .values(used_at=bindparam("b_now"))
)
