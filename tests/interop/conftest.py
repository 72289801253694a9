"""A server with an application of the test's own, and clients that are closed, checked, when the test is over."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from legato.testing.server import Answer, Application, Server
from tests.conftest import missing

from .catalogue import faults
from .chromium import Chromium
from .clients import HERE, MODULES, Chat, Host, Nexmo, NodeProcess, Sdk


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives an SDK, in one event loop: the browser is started once."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("interop")
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def npm_clients() -> None:
    """The official npm packages, installed."""
    if shutil.which("node") is None or not (MODULES / "nexmo-client").is_dir():
        missing("the npm clients are not installed: make peers")


@pytest.fixture(params=["node", "chromium"])
def host(request: pytest.FixtureRequest) -> str:
    """Where a client runs: a test that asks for it runs in Node and with the browser bundle in Chromium."""
    name: str = request.param
    return name


class World:
    """A server, one application on it, and the clients of its users."""

    def __init__(self, server: Server, stack: AsyncExitStack, chromium: Chromium) -> None:
        self.server = server
        self.application: Application = server.application()
        self.clients: list[Sdk] = []
        self.users: dict[str, str] = {}
        self.tokens: list[str] = []
        self._stack = stack
        self._chromium = chromium

    @property
    def url(self) -> str:
        """The server's origin."""
        return self.server.url

    def user(self, name: str, **fields: Any) -> str:
        """The id of the user of this name, made when there is none."""
        if name not in self.users:
            self.users[name] = self.server.user(self.application, name, **fields)
        return self.users[name]

    def token(self, name: str, **options: Any) -> str:
        """A token of the user."""
        self.user(name)
        self.tokens.append(self.application.token(name, **options))
        return self.tokens[-1]

    def rest(self, method: str, path: str, body: Any = None, *, user: str | None = None) -> Answer:
        """A REST call with the application's token, or a user's."""
        token = self.application.token() if user is None else self.token(user)
        return self.server.request(method, path, body, token=token)

    def member(self, cid: str, name: str) -> str:
        """The id of the user's invited or joined member."""
        page = self.rest("GET", f"/v1/conversations/{cid}/members?page_size=100")
        found = [
            item["id"]
            for item in page.body["_embedded"]["members"]
            if item["_embedded"]["user"]["name"] == name and item["state"] != "LEFT"
        ]
        assert len(found) == 1, page
        member_id: str = found[0]
        return member_id

    def log(self, cid: str) -> list[dict[str, Any]]:
        """Every event of a conversation as its application reads it, in order."""
        return self.server.history(self.application, cid)

    async def nexmo(self, name: str, *, host: str = "node", **config: Any) -> Nexmo:
        """The user, logged in by nexmo-client."""
        return await (await self.unconnected(Nexmo, name, host)).login(self.url, self.token(name), **config)

    async def chat(self, name: str, *, host: str = "node", session: str | None = None) -> Chat:
        """The user, logged in by @vonage/client-sdk."""
        return await (await self.unconnected(Chat, name, host)).login(self.url, self.token(name), session)

    async def unconnected(self, kind: type[Any], name: str, host: str = "node") -> Any:
        """A client that has not logged in yet."""
        sdk = kind(await self._open(kind.driver, host), name)
        self.clients.append(sdk)
        self._stack.push_async_callback(sdk.close)
        return sdk

    async def _open(self, driver: str, host: str) -> Host:
        if host == "node":
            return await NodeProcess.start(driver)
        if shutil.which("chromium") is None:
            missing("Chromium is not installed. On Debian, as root: apt-get install chromium")
        return await self._chromium.open(driver)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Chromium]:
    """A browser that starts when the first page is opened."""
    async with Chromium() as browser:
        yield browser


@asynccontextmanager
async def _a_world(server: Server, chromium: Chromium) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        made = World(server, stack, chromium)
        yield made
    crashes = [f"{client.name}: {crash}" for client in made.clients for crash in client.record.crashes]
    assert not crashes, "\n".join(crashes)
    # Tokens stand in the URLs of sockets: they must not come to stand in the log.
    logged = server.log.read_text(errors="replace")
    assert not [token for token in made.tokens if token in logged]
    # What any client was sent, it was sent by the catalogue.
    assert not faults(packet for client in made.clients for packet in client.record.packets)


@pytest_asyncio.fixture(loop_scope="session")
async def world(server: Server, npm_clients: None, chromium: Chromium) -> AsyncIterator[World]:
    """The session's server, with an application of this test's own."""
    async with _a_world(server, chromium) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def mortal_world(
    make_server: Callable[..., Server], npm_clients: None, chromium: Chromium
) -> AsyncIterator[World]:
    """A server of this test's own, which it may kill."""
    async with _a_world(make_server(), chromium) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def hasty_world(
    shared_server: Callable[..., Server], npm_clients: None, chromium: Chromium
) -> AsyncIterator[World]:
    """A server that ends a session one second after its token."""
    async with _a_world(shared_server(LEGATO_TOKEN_GRACE_SECONDS="1"), chromium) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def narrow_world(
    shared_server: Callable[..., Server], npm_clients: None, chromium: Chromium
) -> AsyncIterator[World]:
    """A server that allows one session for each user."""
    async with _a_world(shared_server(LEGATO_MAX_SESSIONS_PER_USER="1"), chromium) as made:
        yield made


@pytest.fixture
def picture() -> bytes:
    """A small PNG."""
    out = BytesIO()
    Image.linear_gradient("L").resize((160, 120)).save(out, "PNG")
    return out.getvalue()
