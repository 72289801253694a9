"""The applications' and the account's part of the REST API, over a real log on each store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from legato.api.account import AccountRoom
from legato.api.admission import Admission
from legato.api.api import Api
from legato.api.applications import ApplicationChanged, Applications
from legato.api.services import Services
from legato.api.settings import ApiSettings
from legato.auth import Authenticator, StoredDirectory
from legato.events.ids import RandomIds
from legato.log import Log
from legato.store import Store
from legato.store.account import Account, ensure_account, read_account
from legato.store.signature import SignatureSecrets

from .scene import KEY, SECRET, HandClock, NoSessions, Scene


@asynccontextmanager
async def _scene(database_url: str) -> AsyncIterator[Scene]:
    store, clock, ids = Store(database_url), HandClock(), RandomIds()
    await store.open()
    log = Log(store, clock=clock)
    await log.start()
    await log.transact(lambda connection: ensure_account(connection, ids, clock.now(), api_key=KEY, api_secret=SECRET))
    auth = Authenticator(StoredDirectory(log.read), clock, api_key=KEY)
    settings = ApiSettings()
    services = Services(log=log, auth=auth, sessions=NoSessions(), settings=settings, clock=clock, ids=ids)
    changes: list[ApplicationChanged] = []
    signed: list[SignatureSecrets] = []

    async def changed(event: ApplicationChanged) -> None:
        changes.append(event)

    async def account() -> Account:
        return await log.read(lambda connection: read_account(connection, clock.now()))

    rooms = [Applications(services, changed), AccountRoom(services, signed.append)]
    yield Scene(Api(rooms, Admission(auth, account, settings, clock), settings), auth, log, clock, changes, signed)
    await log.close()
    await store.close()


@pytest.fixture
async def stored(database_url: str) -> AsyncIterator[Scene]:
    """The scene on each store, for what depends on one."""
    async with _scene(database_url) as made:
        yield made


@pytest.fixture
async def scene(sqlite_url: str) -> AsyncIterator[Scene]:
    """The scene on SQLite, for what is decided before a store is asked."""
    async with _scene(sqlite_url) as made:
        yield made
