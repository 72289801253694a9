"""The directory over the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from legato.auth.directory import KeyRecord
from legato.events.envelope import Person
from legato.store.applications import read_application
from legato.store.users import find_user_by_name

T = TypeVar("T")


class Reads(Protocol):
    """Runs a function on a reading connection: ``Log.read`` or ``Store.read``."""

    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]:
        """The result of ``work``."""
        ...


class StoredDirectory:
    """Applications and users as they are committed."""

    def __init__(self, read: Reads) -> None:
        self._read = read

    async def application_key(self, application_id: str) -> KeyRecord | None:
        """The application's key, None when there is no such application."""
        found = await self._read(lambda connection: read_application(connection, application_id))
        return None if found is None else KeyRecord(found.public_key, found.key_version)

    async def user_by_name(self, application_id: str, name: str) -> Person | None:
        """The application's user of that name, None when it has none."""
        found = await self._read(lambda connection: find_user_by_name(connection, application_id, name))
        return None if found is None else found.person
