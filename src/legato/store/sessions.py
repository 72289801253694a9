"""Sessions as rows: what lasts of a client while it is away, and over a restart of the server.

A row is made before the client is told of its session, and holds what only the first handshake says. ``expires_at`` is
set while nobody is connected, and so is ``answered``, the commit up to which its client is known to have received
everything, where that is known; ``node`` is set while somebody is. Every function here runs in the writer, a batch at
a time.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from legato.store.heads import SessionsEnded, SessionsMoved, announce
from legato.store.schema import nodes, sessions, users


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
    node: str | None = None
    answered: int | None = None


class Admission(msgspec.Struct, frozen=True):
    """A login that has a valid token. ``session_id`` is the session to resume, empty for a new one.

    ``fresh`` is the row to make in the latter case, and says where the client is in either.
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
    _note_where(connection, admissions, outcomes)
    return outcomes


def _note_where(
    connection: Connection, admissions: Sequence[Admission], outcomes: Sequence[StoredSession | Denial]
) -> None:
    """Sessions that were resumed are where their clients are now, and nowhere else."""
    here: list[dict[str, str | None]] = []
    moved: dict[str, list[str]] = {}
    for admission, one in zip(admissions, outcomes, strict=True):
        node = admission.fresh.node
        if not admission.session_id or isinstance(one, Denial):
            continue
        if one.expires_at is not None or one.node != node:
            here.append({"b_id": one.id, "b_node": node})
        if one.expires_at is None and one.node is not None and one.node != node:
            moved.setdefault(node or "", []).append(one.id)
    if here:
        connection.execute(_CONNECTED, here)
    announce(connection, *(SessionsMoved(ids, node) for node, ids in moved.items()))


def release_sessions(connection: Connection, released: Mapping[str, int | None], expires_at: float, node: str) -> None:
    """Nobody is connected to these at ``node`` any more: they can be resumed until ``expires_at``.

    Each with the commit up to which its client has received everything, if that is known.

    One that somebody has connected to at another node stays as it is.
    """
    if released:
        rows = [
            {"b_id": one, "b_answered": answered, "b_expires_at": expires_at, "b_node": node}
            for one, answered in released.items()
        ]
        connection.execute(_RELEASED, rows)


def release_lost_sessions(connection: Connection, expires_at: float) -> None:
    """Whoever was connected to a node that is there no longer, however it ended, is not any more."""
    lost = or_(sessions.c.node.is_(None), sessions.c.node.not_in(select(nodes.c.id)))
    connection.execute(
        update(sessions).where(sessions.c.expires_at.is_(None), lost).values(expires_at=expires_at, node=None)
    )


def extend_session(connection: Connection, session_id: str, expires_at: float) -> None:
    """A session that is away can be resumed until ``expires_at``; one that is connected stays as it is."""
    away = (sessions.c.id == session_id, sessions.c.expires_at.is_not(None))
    connection.execute(update(sessions).where(*away).values(expires_at=expires_at))


def end_sessions(connection: Connection, ids: Collection[str]) -> None:
    """Removes sessions; nobody can resume them."""
    if ids:
        connection.execute(delete(sessions).where(sessions.c.id.in_(ids)))


def end_session(connection: Connection, session_id: str, reason: str) -> bool:
    """Removes a session wherever somebody is connected to it; False when there is no such session."""
    found = connection.execute(delete(sessions).where(sessions.c.id == session_id)).rowcount > 0
    if found:
        announce(connection, SessionsEnded([session_id], reason))
    return found


def end_sessions_of_user(connection: Connection, user_id: str, reason: str) -> None:
    """Removes every session of a user, wherever somebody is connected to it."""
    ended = delete(sessions).where(sessions.c.user_id == user_id).returning(sessions.c.id)
    ids = list(connection.execute(ended).scalars())
    if ids:
        announce(connection, SessionsEnded(ids, reason))


def end_sessions_of_application(connection: Connection, application_id: str) -> None:
    """Removes every session of an application, whose change or end other nodes hear of anyway."""
    connection.execute(delete(sessions).where(sessions.c.application_id == application_id))


def connected_elsewhere(connection: Connection, user_ids: Collection[str], node: str) -> set[str]:
    """Those of some users who are connected at nodes other than ``node``."""
    query = select(sessions.c.user_id).where(
        sessions.c.user_id.in_(user_ids), sessions.c.expires_at.is_(None), sessions.c.node != node
    )
    return set(connection.execute(query.distinct()).scalars())


def release_sessions_of(connection: Connection, node: str, expires_at: float) -> int:
    """The node is dead: whoever was connected to it is not any more. How many that were."""
    lost = update(sessions).where(sessions.c.node == node, sessions.c.expires_at.is_(None))
    return connection.execute(lost.values(expires_at=expires_at, node=None)).rowcount


def end_expired_sessions(connection: Connection, now: float) -> int:
    """Removes sessions that have been away for too long; how many."""
    return connection.execute(delete(sessions).where(sessions.c.expires_at < now)).rowcount


def find_session(connection: Connection, session_id: str) -> StoredSession | None:
    """A session, connected or away."""
    row = connection.execute(select(sessions).where(sessions.c.id == session_id)).first()
    return None if row is None else stored_session_of(row)


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


_CONNECTED = (
    update(sessions)
    .where(sessions.c.id == bindparam("b_id"))
    .values(expires_at=None, answered=None, node=bindparam("b_node"))
)
_RELEASED = (
    update(sessions)
    .where(sessions.c.id == bindparam("b_id"), sessions.c.node == bindparam("b_node"))
    .values(expires_at=bindparam("b_expires_at"), answered=bindparam("b_answered"), node=None)
)
