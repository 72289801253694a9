"""Users in the store. A name is unique within its application. Deleting one is ``legato.store.erasure``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from legato.conversations.user import User
from legato.store.paging import Slice, Window, grouped, slice_rows
from legato.store.schema import users

_COLUMNS = (
    "id",
    "application_id",
    "name",
    "display_name",
    "image_url",
    "properties",
    "channels",
    "created_at",
    "updated_at",
)


def user_of(row: Row[Any]) -> User:
    """The user a row of ``users`` is."""
    return User(**{name: getattr(row, name) for name in _COLUMNS})


def find_user(connection: Connection, application_id: str, user_id: str) -> User | None:
    """The application's user of that id."""
    return _one(connection, users.c.id == user_id, users.c.application_id == application_id)


def find_user_by_name(connection: Connection, application_id: str, name: str) -> User | None:
    """The application's user of that name."""
    return _one(connection, users.c.name == name, users.c.application_id == application_id)


def find_users_by_name(connection: Connection, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], User]:
    """Users by (application id, name), for many at once; whoever does not exist is left out."""
    found = {}
    for application_id, of_application in grouped(wanted).items():
        query = select(users).where(users.c.application_id == application_id, users.c.name.in_(of_application))
        found.update({(application_id, row.name): user_of(row) for row in connection.execute(query)})
    return found


def load_users(connection: Connection, ids: Collection[str]) -> dict[str, User]:
    """Users by id; whoever does not exist is left out."""
    return {row.id: user_of(row) for row in connection.execute(select(users).where(users.c.id.in_(set(ids))))}


def insert_user(connection: Connection, user: User) -> None:
    """Adds a user whose name is free (``find_user_by_name`` in the same transaction)."""
    connection.execute(insert(users).values({name: getattr(user, name) for name in _COLUMNS}))


def change_user(connection: Connection, user_id: str, changes: Mapping[str, Any]) -> None:
    """Sets columns of a user's row."""
    connection.execute(update(users).where(users.c.id == user_id).values(dict(changes)))


def list_users(connection: Connection, application_id: str, window: Window, *, name: str | None = None) -> Slice[User]:
    """The application's users, oldest first; ``name`` is exact."""
    statement = select(users).where(users.c.application_id == application_id)
    if name is not None:
        statement = statement.where(users.c.name == name)
    found = slice_rows(connection, statement, (users.c.created_at, users.c.id), window)
    return found.each(user_of)


def _one(connection: Connection, *conditions: Any) -> User | None:
    row = connection.execute(select(users).where(*conditions)).first()
    return None if row is None else user_of(row)
