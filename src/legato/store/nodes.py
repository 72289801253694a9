"""Nodes: the server processes that share a database, each with a lease by the database's own clock."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection, Float, cast, delete, func, insert, literal, select, update
from sqlalchemy.sql import ColumnElement

from legato.store.leases import release_leases
from legato.store.schema import nodes
from legato.store.sessions import release_sessions_of

# SQLite has one process and one clock.
_NOW_ON_SQLITE: Final = "subsec"


class Node(msgspec.Struct, frozen=True):
    """A node as the others know it. ``left`` is how many seconds its lease still has; below 0 it is taken for dead."""

    id: str
    name: str
    started_at: float
    left: float


class Standing(msgspec.Struct, frozen=True):
    """How things are, at ``now`` by the database's clock: whether our lease was still ours, and everybody's nodes."""

    now: float
    is_ours: bool
    nodes: list[Node]


def register_node(connection: Connection, node: str, name: str, seconds: float) -> None:
    """The node is there, for ``seconds`` unless it says so again."""
    now = _now(connection)
    row = {"id": node, "name": name, "started_at": now, "leased_until": now + seconds}
    connection.execute(insert(nodes).values(row))


def renew_lease(connection: Connection, node: str, seconds: float) -> Standing:
    """The node is still there; and who else is."""
    now = _now(connection)
    renewed = update(nodes).where(nodes.c.id == node).values(leased_until=now + seconds)
    is_ours = connection.execute(renewed).rowcount > 0
    return Standing(float(connection.execute(select(now)).scalar_one()), is_ours, read_nodes(connection))


def read_nodes(connection: Connection) -> list[Node]:
    """Every node, the oldest first."""
    left = (nodes.c.leased_until - _now(connection)).label("left")
    query = select(nodes.c.id, nodes.c.name, nodes.c.started_at, left).order_by(nodes.c.started_at, nodes.c.id)
    return [Node(*row) for row in connection.execute(query)]


def remove_node(connection: Connection, node: str, sessions_until: float) -> None:
    """The node has ended; what it has not let go of is free."""
    connection.execute(delete(nodes).where(nodes.c.id == node))
    release_leases(connection, node)
    release_sessions_of(connection, node, sessions_until)


def bury(connection: Connection, node: str, sessions_until: float) -> int | None:
    """If the lease of ``node`` has run out: what it had is free for others, and its sessions can be resumed until then.

    How many sessions it had; None when it is alive after all, or was buried by somebody else.
    """
    gone = delete(nodes).where(nodes.c.id == node, nodes.c.leased_until < _now(connection))
    if not connection.execute(gone).rowcount:
        return None
    release_leases(connection, node)
    return release_sessions_of(connection, node, sessions_until)


def _now(connection: Connection) -> ColumnElement[float]:
    if connection.dialect.name == "sqlite":
        return cast(func.unixepoch("now", literal(_NOW_ON_SQLITE)), Float)
    return cast(func.extract("epoch", func.clock_timestamp()), Float)
