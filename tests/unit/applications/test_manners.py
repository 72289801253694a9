"""How applications want their events: what is read of it is never older than what is known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from legato.events.moment import SystemClock
from legato.manners import Manners
from legato.store import Store
from legato.store.applications import Application, insert_application, read_application, replace_application
from legato.store.media_links import MediaLinks

T = TypeVar("T")
ID = "aaaaaaaa-0000-4000-8000-000000000001"


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Store]:
    store = Store(database_url)
    await store.open()
    made = Application(id=ID, name="x", public_key="pem", created_at=1.0, settings={"render_text": False})
    await store.write(partial(insert_application, application=made))
    yield store
    await store.close()


async def _change(store: Store, manners: Manners, render_text: bool) -> None:
    """As the API does: written first, then known."""
    choice = {"render_text": render_text}
    change = partial(
        replace_application,
        application_id=ID,
        name="x",
        capabilities={},
        privacy={},
        now=2.0,
        settings=choice,
    )
    await store.write(change)
    manners.changed(ID, await store.read(partial(read_application, application_id=ID)))


async def test_what_is_changed_while_it_is_read_is_read_again(opened: Store) -> None:
    manners = Manners(MediaLinks("http://x", b"k"), SystemClock(), render_text=True)
    await manners.load(opened.read)
    assert not manners.of(ID).message_as_text
    readings = 0

    async def slowly(work: Callable[[Connection], T]) -> T:
        nonlocal readings
        found = await opened.read(work)
        readings += 1
        if readings == 1:
            await _change(opened, manners, render_text=True)
        return found

    await manners.load(slowly)
    assert manners.of(ID).message_as_text
    assert readings == 2
