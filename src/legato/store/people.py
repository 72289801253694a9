"""Users as events remember them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from legato.events.envelope import Person
from legato.store.schema import users


def load_people(connection: Connection, user_ids: Collection[str]) -> dict[str, Person]:
    """The person behind each user id that exists."""
    rows = connection.execute(
        select(users.c.id, users.c.name, users.c.display_name, users.c.image_url, users.c.properties).where(
            users.c.id.in_(user_ids)
        )
    )
    return {
        row.id: Person(row.id, row.name, row.display_name, row.image_url, row.properties.get("custom_data") or None)
        for row in rows
    }
