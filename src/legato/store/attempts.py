"""What was sent to endpoints and what came of it: the attempt log, and the dead letters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from legato.store.lanes import remember_streams
from legato.store.schema import attempts, dead_letters

# Rows that are kept at the most, of attempts and of dead letters, whatever their age: some 500 bytes each.
MAX_KEPT: Final = 1_000_000


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request to an endpoint. ``at`` in seconds since 1970, ``seconds`` until the answer or until it was given up.

    ``status`` is the answer's, None when there was none and ``error`` says why. ``answer`` is its first bytes.
    """

    endpoint_id: str
    webhook_id: str
    stream: str
    event_type: str
    at: float
    seconds: float
    status: int | None = None
    error: str | None = None
    answer: bytes | None = None
    id: int = 0


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was given up for an endpoint, and why.

    ``payload`` is the Event as JSON where no log has it: what was deleted from a log is not to live on here.
    """

    endpoint_id: str
    webhook_id: str
    stream: str
    event_type: str
    at: float
    reason: str
    attempts: int
    payload: bytes | None = None
    status: int | None = None
    replayed_at: float | None = None
    id: int = 0


def keep_attempts(connection: Connection, made: Collection[Attempt]) -> None:
    """Adds to the attempt log."""
    if made:
        connection.execute(insert(attempts), [_row(each) for each in made])


def keep_dead_letters(connection: Connection, letters: Collection[DeadLetter]) -> None:
    """Puts events aside."""
    if letters:
        connection.execute(insert(dead_letters), [_row(each) for each in letters])
        remember_streams(connection, [each.webhook_id for each in letters], max(each.at for each in letters))


def read_attempts(
    connection: Connection, endpoint_id: str, *, before: int | None = None, webhook_id: str | None = None, limit: int
) -> list[Attempt]:
    """The newest attempts first; ``before`` an attempt's id goes on from there, ``webhook_id`` is of one event."""
    query = select(attempts).where(attempts.c.endpoint_id == endpoint_id)
    if before is not None:
        query = query.where(attempts.c.id < before)
    if webhook_id is not None:
        query = query.where(attempts.c.webhook_id == webhook_id)
    return [_attempt(row) for row in connection.execute(query.order_by(attempts.c.id.desc()).limit(limit))]


def read_dead_letters(
    connection: Connection, endpoint_id: str, *, before: int | None = None, limit: int
) -> list[DeadLetter]:
    """The newest first; ``before`` a letter's id goes on from there."""
    query = select(dead_letters).where(dead_letters.c.endpoint_id == endpoint_id)
    if before is not None:
        query = query.where(dead_letters.c.id < before)
    return [_letter(row) for row in connection.execute(query.order_by(dead_letters.c.id.desc()).limit(limit))]


def unreplayed(
    connection: Connection, endpoint_id: str, *, since: float = 0.0, ids: Sequence[int] | None = None, limit: int
) -> list[DeadLetter]:
    """Dead letters to send again, the oldest first: those named, or all since a time that were not sent again yet."""
    query = select(dead_letters).where(dead_letters.c.endpoint_id == endpoint_id)
    if ids is None:
        query = query.where(dead_letters.c.at >= since, dead_letters.c.replayed_at.is_(None))
    else:
        query = query.where(dead_letters.c.id.in_(ids))
    return [_letter(row) for row in connection.execute(query.order_by(dead_letters.c.id).limit(limit))]


def mark_replayed(connection: Connection, ids: Sequence[int], now: float) -> None:
    """These are being sent again."""
    if ids:
        connection.execute(update(dead_letters).where(dead_letters.c.id.in_(ids)).values(replayed_at=now))


def count_dead_letters(connection: Connection, endpoint_id: str, *, since: float = 0.0) -> int:
    """How many were put aside since a time and not sent again."""
    query = (
        select(func.count())
        .select_from(dead_letters)
        .where(
            dead_letters.c.endpoint_id == endpoint_id,
            dead_letters.c.at >= since,
            dead_letters.c.replayed_at.is_(None),
        )
    )
    return int(connection.execute(query).scalar_one())


def forget_attempts(connection: Connection, before: float, limit: int) -> int:
    """Removes attempts and dead letters older than ``before`` and those beyond the bound, the oldest first."""
    gone = 0
    for table in (attempts, dead_letters):
        newest = connection.execute(select(func.max(table.c.id))).scalar_one_or_none() or 0
        outdated = (table.c.at < before) | (table.c.id <= newest - MAX_KEPT)
        oldest = select(table.c.id).order_by(table.c.id).limit(limit).scalar_subquery()
        gone += connection.execute(delete(table).where(table.c.id.in_(oldest), outdated)).rowcount
    return gone


def _row(value: Attempt | DeadLetter) -> dict[str, Any]:
    fields = msgspec.structs.asdict(value)
    del fields["id"]
    return fields


def _attempt(row: Row[Any]) -> Attempt:
    fields = dict(row._mapping)
    fields["answer"] = None if fields["answer"] is None else bytes(fields["answer"])
    return Attempt(**fields)


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(**{**row._mapping, "payload": None if row.payload is None else bytes(row.payload)})
