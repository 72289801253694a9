"""Sessions as rows: what lasts of a client while it is away, and over a restart of the server.

A row is made before the client is told of its session, and holds what only the first handshake says. ``expires_at`` is
set while nobody is connected. Every function here runs in the writer, a batch at a time.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from legato.store.batch import COMMIT_COUNTER
from legato.store.schema import counters, sessions, users


class StoredSession(msgspec.Struct, frozen=True):
    """A session's row. ``properties`` is what the first handshake told of the client."""

    id: str
    application_id: str
    user_id: str
    dialect: str
    session_version: str
    properties: dict[str, str]
    created_at: float
    expires_at: float | None = None


class Admission(msgspec.Struct, frozen=True):
    """A login that has a valid token. ``session_id`` is the session to resume, empty for a new one.

    ``fresh`` is the row to make in the latter case.
    """

    session_id: str
    fresh: StoredSession


class Denial(enum.Enum):
    """Why an admission is refused."""

    NO_SESSION = "no such session of this user"
    NO_USER = "the user was deleted"
    TOO_MANY = "too many sessions of this user are connected"


def admit_sessions(
    connection: Connection, admissions: Sequence[Admission], *, max_per_user: int
) -> list[StoredSession | Denial]:
    """The session of each admission, marked as connected, or why there is none.

    A user who has ``max_per_user`` sessions gives up the one that has been away longest, if one is away.
    """
    wanted = [admission.session_id for admission in admissions if admission.session_id]
    stored = {row.id: row for row in connection.execute(select(sessions).where(sessions.c.id.in_(wanted)))}
    owners = {admission.fresh.user_id for admission in admissions}
    present = set(connection.execute(select(users.c.id).where(users.c.id.in_(owners))).scalars())
    fresh = [one.fresh.user_id for one in admissions if not one.session_id and one.fresh.user_id in present]
    counts = _counts(connection, fresh)
    outcomes: list[StoredSession | Denial] = []
    made: list[StoredSession] = []
    for admission in admissions:
        new = admission.fresh
        if new.user_id not in present:
            outcomes.append(Denial.NO_USER)
        elif admission.session_id:
            row = stored.get(admission.session_id)
            mine = row is not None and (row.application_id, row.user_id) == (new.application_id, new.user_id)
            outcomes.append(stored_session_of(row) if row is not None and mine else Denial.NO_SESSION)
        elif counts[new.user_id] >= max_per_user and not _give_up_oldest(connection, new.user_id, wanted):
            outcomes.append(Denial.TOO_MANY)
        else:
            counts[new.user_id] = min(counts[new.user_id] + 1, max_per_user)
            made.append(new)
            outcomes.append(new)
    if made:
        connection.execute(insert(sessions), [msgspec.structs.asdict(session) for session in made])
    resumed = [
        {"b_id": one.id}
        for admission, one in zip(admissions, outcomes, strict=True)
        if admission.session_id and isinstance(one, StoredSession) and one.expires_at is not None
    ]
    if resumed:
        connection.execute(_CONNECTED, resumed)
    return outcomes


def release_sessions(connection: Connection, ids: Sequence[str], expires_at: float) -> None:
    """Nobody is connected to these any more: they can be resumed until ``expires_at``."""
    if ids:
        connection.execute(_RELEASED, [{"b_id": one, "b_expires_at": expires_at} for one in ids])


def release_every_session(connection: Connection, expires_at: float) -> None:
    """For the start of the server: whoever was connected when it stopped, however it stopped, is not any more."""
    connection.execute(update(sessions).where(sessions.c.expires_at.is_(None)).values(expires_at=expires_at))


def extend_session(connection: Connection, session_id: str, expires_at: float) -> None:
    """A session that is away can be resumed until ``expires_at``; one that is connected stays as it is."""
    away = (sessions.c.id == session_id, sessions.c.expires_at.is_not(None))
    connection.execute(update(sessions).where(*away).values(expires_at=expires_at))


def end_sessions(connection: Connection, ids: Collection[str]) -> None:
    """Removes sessions; nobody can resume them."""
    if ids:
        connection.execute(delete(sessions).where(sessions.c.id.in_(ids)))


def end_sessions_of(connection: Connection, application_id: str, user_id: str | None = None) -> None:
    """Removes every session of an application or, in it, of one user."""
    statement = delete(sessions).where(sessions.c.application_id == application_id)
    connection.execute(statement if user_id is None else statement.where(sessions.c.user_id == user_id))


def end_expired_sessions(connection: Connection, now: float) -> int:
    """Removes sessions that have been away for too long; how many."""
    return connection.execute(delete(sessions).where(sessions.c.expires_at < now)).rowcount


def find_session(connection: Connection, session_id: str) -> StoredSession | None:
    """A session, connected or away."""
    row = connection.execute(select(sessions).where(sessions.c.id == session_id)).first()
    return None if row is None else stored_session_of(row)


def last_commit(connection: Connection) -> int:
    """The greatest commit number that was given out."""
    query = select(counters.c.value).where(counters.c.name == COMMIT_COUNTER)
    value: int | None = connection.execute(query).scalar()
    return value or 0


def stored_session_of(row: Row[tuple[object, ...]]) -> StoredSession:
    """The session a row is."""
    return StoredSession(**row._mapping)


def _counts(connection: Connection, user_ids: Sequence[str]) -> dict[str, int]:
    counts = dict.fromkeys(user_ids, 0)
    if counts:
        query = select(sessions.c.user_id, func.count()).where(sessions.c.user_id.in_(counts))
        for user_id, count in connection.execute(query.group_by(sessions.c.user_id)):
            counts[user_id] = count
    return counts


def _give_up_oldest(connection: Connection, user_id: str, kept: Collection[str]) -> bool:
    """Ends the user's session that has been away longest, less those in ``kept``; False when there is none."""
    away = (
        select(sessions.c.id)
        .where(sessions.c.user_id == user_id, sessions.c.expires_at.is_not(None), sessions.c.id.not_in(kept))
        .order_by(sessions.c.expires_at)
        .limit(1)
    )
    return connection.execute(delete(sessions).where(sessions.c.id == away.scalar_subquery())).rowcount > 0


_CONNECTED = update(sessions).where(sessions.c.id == bindparam("b_id")).values(expires_at=None)
_RELEASED = update(sessions).where(sessions.c.id == bindparam("b_id")).values(expires_at=bindparam("b_expires_at"))
