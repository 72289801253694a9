"""The rooms for files, on a real port, over a real store; two applications, alice and bob."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvicorn

from legato.api import Api, ApiSettings, Services
from legato.api.admission import Admission
from legato.api.devices import DeviceRoom
from legato.api.image import ImageRoom
from legato.api.image_worker import ImageWorker
from legato.api.media import MediaRoom
from legato.auth import CLIENT_ACL, Authenticator, Credentials, KeyPair, StoredDirectory, generate, mint
from legato.events.ids import RandomIds
from legato.events.moment import SystemClock
from legato.log import Log
from legato.store import Store
from legato.store.applications import Application, insert_application
from legato.store.files import Files
from legato.store.media import read_media
from legato.store.media_links import MediaLinks
from legato.store.schema import users
from legato.testing.ports import free_port

ACCOUNT = "abcd1234"
SMALL = 100_000  # bytes of a file, so that a test can pass the bound


@dataclass
class HandClock:
    """The machine's clock, moved by hand."""

    ahead: float = 0.0

    def now(self) -> float:
        return SystemClock().now() + self.ahead


@dataclass
class Stage:
    """What a test plays on."""

    url: str
    client: aiohttp.ClientSession
    files: Files
    links: MediaLinks
    log: Log
    clock: HandClock
    worker: ImageWorker
    tokens: dict[str, str]
    authenticator: Authenticator

    async def call(
        self, method: str, path: str, *, as_: str | None = "alice", headers: dict[str, str] | None = None, **sent: Any
    ) -> Answer:
        """One request, to a path or to a URL that was answered."""
        sender = {} if as_ is None else {"Authorization": f"Bearer {self.tokens[as_]}"}
        url = path if path.startswith("http") else self.url + path
        async with self.client.request(method, url, headers={**sender, **(headers or {})}, **sent) as reply:
            return Answer(reply.status, reply.headers.copy(), await reply.read())

    async def upload(self, data: bytes, *, as_: str = "alice", name: str = "a.txt", **fields: str) -> Answer:
        """Stores a file."""
        kind = fields.pop("content_type", "text/plain")
        return await self.call("POST", "/v3/media", as_=as_, data=form("filedata", data, name, kind, fields))

    async def owner(self, url: str) -> str:
        """The application whose file the URL names."""
        media_id = self.links.media_id(url)
        assert media_id is not None
        item = await self.log.read(lambda connection: read_media(connection, media_id))
        assert item is not None
        return item.application_id

    def blobs(self) -> set[str]:
        """The files on disk."""
        return set(self.files.ids())


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def wrong(self) -> dict[str, str]:
        """The refused fields."""
        return {parameter["name"]: parameter["reason"] for parameter in self.json["invalid_parameters"]}


def form(name: str, data: bytes, file_name: str, kind: str, fields: dict[str, str]) -> aiohttp.FormData:
    """A form with one file."""
    made = aiohttp.FormData(quote_fields=False)  # as browsers send names
    for field_name, value in fields.items():
        made.add_field(field_name, value)
    made.add_field(name, data, filename=file_name, content_type=kind)
    return made


@contextlib.asynccontextmanager
async def stage(database_url: str, directory: Path) -> AsyncIterator[Stage]:
    """Everything running, and gone afterwards."""
    store = Store(database_url)
    await store.open()
    clock = HandClock()
    log = Log(store, clock=clock)
    await log.start()
    tokens = await _people(log)
    authenticator = Authenticator(StoredDirectory(log.read), clock, api_key=ACCOUNT)
    port = free_port()
    settings = ApiSettings(public_url=f"http://127.0.0.1:{port}")
    services = Services(
        log=log,
        auth=authenticator,
        sessions=None,  # type: ignore[arg-type]  # nothing here reaches for them
        settings=settings,
        clock=clock,
        ids=RandomIds(),
    )
    files = Files(directory / "media")
    links = MediaLinks(settings.public_url, b"k" * 32)
    worker = ImageWorker()
    rooms = (
        ImageRoom(services, files, links, worker),
        MediaRoom(services, files, links, account_id=ACCOUNT, max_bytes=SMALL),
        DeviceRoom(services),
    )

    async def account() -> Credentials:
        raise AssertionError("no route here asks for the account")

    api = Api(rooms, Admission(authenticator, account, settings, clock), settings)
    # Begun and ended by hand: its own main loop looks ten times a second whether to stop.
    config = uvicorn.Config(api, port=port, log_level="warning", lifespan="off", ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        async with aiohttp.ClientSession() as client:
            yield Stage(settings.public_url, client, files, links, log, clock, worker, tokens, authenticator)
    finally:
        await server.shutdown()
        await worker.close()
        await log.close()
        await store.close()


@functools.cache
def _pair(application: str) -> KeyPair:
    return generate()


async def _people(log: Log) -> dict[str, str]:
    """Tokens: of alice and bob, of their application, and of another one with its user eve."""
    tokens: dict[str, str] = {}
    for application, names in (("application", ("alice", "bob")), ("other", ("eve",))):
        application_id, pair = RandomIds().uuid(), _pair(application)
        made = Application(id=application_id, name=application, public_key=pair.public_key, created_at=1.0)

        def insert(connection: Any, made: Application = made, names: tuple[str, ...] = names) -> None:
            insert_application(connection, made)
            for name in names:
                row = {"id": f"USR-{RandomIds().uuid()}", "application_id": made.id, "name": name, "created_at": 1.0}
                connection.execute(users.insert().values(**row, properties={}, channels={}))

        await log.transact(insert)
        tokens[application] = mint(pair.private_key, application_id)
        tokens |= {name: mint(pair.private_key, application_id, sub=name, acl=CLIENT_ACL) for name in names}
    return tokens
