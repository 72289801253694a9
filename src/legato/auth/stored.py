"""The directory over the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection

from legato.auth.directory import KeyRecord
from legato.events.envelope import Person
from legato.store.applications import read_application
from legato.store.users import find_users_by_name

T = TypeVar("T")

# Names looked up in one reading; SQLite takes two variables for each.
TOGETHER: Final = 200


class Reads(Protocol):
    """Runs a function on a reading connection: ``Log.read`` or ``Store.read``."""

    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]:
        """The result of ``work``."""
        ...


class StoredDirectory:
    """Applications and users as they are committed.

    After a restart thousands ask at once who they are: those who ask while others are being looked up are looked up
    together, after them.
    """

    def __init__(self, read: Reads) -> None:
        self._read = read
        self._asked: list[tuple[tuple[str, str], asyncio.Future[Person | None]]] = []
        self._looking: asyncio.Task[None] | None = None

    async def application_key(self, application_id: str) -> KeyRecord | None:
        """The application's key, None when there is no such application."""
        found = await self._read(lambda connection: read_application(connection, application_id))
        return None if found is None else KeyRecord(found.public_key, found.key_version)

    async def user_by_name(self, application_id: str, name: str) -> Person | None:
        """The application's user of that name, None when it has none."""
        future: asyncio.Future[Person | None] = asyncio.get_running_loop().create_future()
        self._asked.append(((application_id, name), future))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="directory")
        return await future

    async def _look(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked[:TOGETHER], self._asked[TOGETHER:]
                try:
                    found = await self._read(partial(find_users_by_name, wanted={place for place, _ in asked}))
                except Exception as error:  # whatever the database says, it is said to those who asked
                    for _, future in asked:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for place, future in asked:
                    if not future.done():  # whoever asked may have gone
                        user = found.get(place)
                        future.set_result(None if user is None else user.person)
        finally:
            self._looking = None
