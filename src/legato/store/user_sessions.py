"""A user's client sessions, for REST."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from legato.events.envelope import JsonObject
from legato.store.paging import Slice, Window, slice_rows
from legato.store.schema import sessions


class SessionRow(NamedTuple):
    """A session as it is listed."""

    id: str
    properties: JsonObject


def list_sessions(connection: Connection, user_id: str, window: Window) -> Slice[SessionRow]:
    """The user's sessions, oldest first."""
    statement = select(sessions.c.id, sessions.c.properties).where(sessions.c.user_id == user_id)
    found = slice_rows(connection, statement, (sessions.c.created_at, sessions.c.id), window)
    return found.each(lambda row: SessionRow(row.id, row.properties))
