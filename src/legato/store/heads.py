"""How far the database is: the one row that orders what all nodes write, and what the others wrote since one looked.

::

    whoever writes ─▶ locks the row ─▶ is where it was left? ─ yes ─▶ what was decided stands: write it
                                            │ no
                                            └─▶ read what came since, decide again on it, write that

PostgreSQL gives the row to those who wait for it in their order, and takes it back from a connection that is lost. So
whatever is read under it stays as it is until the commit: a database with several nodes behaves like one with one
writer. SQLite has one writer anyway, and no lock on rows.

Events have commit numbers. What changes without one (a user, an application, where a session is) has a row in
``changes``, so that nodes which remember the old hear of it, each once and in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from legato.store.rows import StoredEvent, stored_event_of
from legato.store.schema import changes, events, heads

# How long a change is kept for nodes that have not heard of it: one that was away for longer begins anew.
CHANGE_SECONDS: Final = 10 * 60.0
# Events and changes read at a time. A node that is further behind than this lets others write while it catches up.
NEWS: Final = 500
# Further behind than this, a node does not tell its sessions one event after the other: they come back and resume.
FAR_BEHIND: Final = 20_000

_ANNOUNCED: Final = "legato:announced"


class Heads(msgspec.Struct, frozen=True):
    """The numbers of the last event and of the last change."""

    commit: int = 0
    change: int = 0


class PersonChanged(msgspec.Struct, frozen=True, tag="person"):
    """A user was changed or deleted. ``application_id`` is empty when only old events forget the user."""

    user_id: str
    application_id: str = ""


class ConversationChanged(msgspec.Struct, frozen=True, tag="conversation"):
    """A conversation was made, changed or deleted without an event in its log."""

    conversation_id: str


class ApplicationChanged(msgspec.Struct, frozen=True, tag="application"):
    """An application was made, changed or deleted; ``void`` names why its tokens are worth nothing any more."""

    application_id: str
    void: str | None = None


class EndpointChanged(msgspec.Struct, frozen=True, tag="endpoint"):
    """An endpoint for webhooks was made, changed or removed."""

    endpoint_id: str


class SessionsEnded(msgspec.Struct, frozen=True, tag="ended"):
    """Client sessions were ended for good."""

    session_ids: list[str]
    reason: str


class SessionsMoved(msgspec.Struct, frozen=True, tag="moved"):
    """Somebody has connected to these sessions at ``node``: connections to them at other nodes are over."""

    session_ids: list[str]
    node: str


class SessionRefreshed(msgspec.Struct, frozen=True, tag="refreshed"):
    """A session has a token that is good until ``expires_at``."""

    session_id: str
    user_id: str
    expires_at: float


Change = (
    PersonChanged
    | ConversationChanged
    | ApplicationChanged
    | EndpointChanged
    | SessionsEnded
    | SessionsMoved
    | SessionRefreshed
)


class Notice(Protocol):
    """How other nodes are told what a commit holds."""

    def __call__(self, after: Heads, payloads: Sequence[bytes], /) -> tuple[str, str]:
        """A channel of PostgreSQL's and what is said on it: these events, encoded, came after that."""
        ...


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Change).decode


class News(msgspec.Struct, frozen=True):
    """What was committed after one place, in order, up to ``heads``. ``is_all``: there was no more when it was read.

    ``is_lost``: changes among it are kept no longer, or mean nothing to this node, or it is more than anybody should
    read; it is empty then.
    """

    heads: Heads
    events: list[StoredEvent]
    changes: list[Change]
    is_all: bool = True
    is_lost: bool = False


def lock_heads(connection: Connection) -> Heads:
    """The row, ours until the transaction ends. For the beginning of whatever writes."""
    return Heads(*connection.execute(_LOCK).one())


def read_heads(connection: Connection) -> Heads:
    """The row as it is committed, or as this transaction has moved it."""
    return Heads(*connection.execute(_READ).one())


def last_commit(connection: Connection) -> int:
    """The greatest commit number that was given out."""
    return read_heads(connection).commit


def take_commits(connection: Connection, held: Heads, payloads: Sequence[bytes], notice: Notice | None) -> None:
    """Takes the commit numbers after ``held`` for these events, for whoever has locked the row.

    ``notice`` says what PostgreSQL tells the other nodes at the commit.
    """
    last = held.commit + len(payloads)
    if notice is None or connection.dialect.name != "postgresql":
        connection.execute(_MOVE, {"b_commit": last})
    else:
        channel, text = notice(held, payloads)
        connection.exec_driver_sql(_MOVE_AND_TELL, {"commit": last, "channel": channel, "text": text})


def announce(connection: Connection, *told: Change) -> None:
    """Other nodes hear of these after this transaction, whose owner has locked the row. On SQLite there are none."""
    if not told or connection.dialect.name == "sqlite":
        return
    last = connection.execute(_MOVE_CHANGE, {"b_count": len(told)}).scalar_one()
    numbered = enumerate(told, last - len(told) + 1)
    connection.execute(_KEEP, [{"number": number, "payload": _encode(change)} for number, change in numbered])
    connection.info[_ANNOUNCED] = True


def heads_after(connection: Connection, held: Heads, count: int) -> Heads:
    """Where the row is at the end of a transaction that has taken ``count`` commit numbers since it ``held``."""
    if connection.info.pop(_ANNOUNCED, False):
        return read_heads(connection)
    return Heads(held.commit + count, held.change)


def read_news(connection: Connection, known: Heads, head: Heads | None = None) -> News:
    """What came after ``known``: at most NEWS events and as many changes. ``head`` is the row, if it was read."""
    head = read_heads(connection) if head is None else head
    if head.commit - known.commit > FAR_BEHIND or head.change - known.change > FAR_BEHIND:
        return News(head, [], [], is_lost=True)
    upto = Heads(min(head.commit, known.commit + NEWS), min(head.change, known.change + NEWS))
    told: list[StoredEvent] = []
    if upto.commit > known.commit:
        query = select(events).where(events.c.commit_no > known.commit, events.c.commit_no <= upto.commit)
        told = [stored_event_of(row) for row in connection.execute(query.order_by(events.c.commit_no))]
    numbered: list[Change] = []
    if upto.change > known.change:
        rows = select(changes.c.payload).where(changes.c.number > known.change, changes.c.number <= upto.change)
        try:
            numbered = [_decode(row.payload) for row in connection.execute(rows.order_by(changes.c.number))]
        except msgspec.ValidationError:  # a newer node has changed what this one knows nothing of
            return News(head, [], [], is_lost=True)
        if len(numbered) < upto.change - known.change:
            return News(head, [], [], is_lost=True)
    return News(upto, told, numbered, is_all=upto == head)


def forget_changes(connection: Connection, before: float, limit: int) -> int:
    """Removes changes that every node has heard of or is too late for; how many."""
    old = select(changes.c.number).where(changes.c.created_at < before).limit(limit)
    return connection.execute(delete(changes).where(changes.c.number.in_(old))).rowcount


_READ = select(heads.c.commit_no, heads.c.change_no).where(heads.c.id == 1)
_LOCK = _READ.with_for_update()
_MOVE = update(heads).where(heads.c.id == 1).values(commit_no=bindparam("b_commit"))
_MOVE_AND_TELL = (
    "WITH moved AS (UPDATE heads SET commit_no = %(commit)s WHERE id = 1 RETURNING 1) "
    "SELECT pg_notify(%(channel)s, %(text)s) FROM moved"
)
_KEEP = insert(changes).values(created_at=func.extract("epoch", func.clock_timestamp()))
_MOVE_CHANGE = (
    update(heads)
    .where(heads.c.id == 1)
    .values(change_no=heads.c.change_no + bindparam("b_count"))
    .returning(heads.c.change_no)
)
