"""The page of ``legato dev`` in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.conftest import missing
from tests.e2e.dev_server import DevServer, Scene

# Nothing leaves the machine: every name but the loopback's is unknown to this browser.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

# How long a condition may take to come true on a busy machine; a quiet one needs some milliseconds.
expect.set_options(timeout=60_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all of these tests: they share a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """``legato dev`` for every test that does not kill it; each has a conversation of its own."""
    with DevServer(tmp_path_factory.mktemp("dev")) as server:
        yield server


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[DevServer]:
    """``legato dev`` of this test's own."""
    server = DevServer(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture
def scene(dev: DevServer) -> Scene:
    """A conversation of this test's own, with alice and bob in it."""
    return dev.conversation()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    path = shutil.which("chromium")
    if path is None:
        missing("Chromium is not installed. On Debian, as root: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


@dataclass
class Console:
    """The page, and what went wrong on it."""

    page: Page
    url: str
    troubles: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    async def open(self) -> None:
        """Loads the page; returns when both people are logged in."""
        await self.page.goto(self.url)
        await expect(self.page.locator("html[data-ready]")).to_be_attached()

    def watch(self) -> None:
        """From now on, notes every error and every request to another origin."""
        ours = urlsplit(self.url).netloc

        def requested(url: str) -> None:
            parts = urlsplit(url)
            if parts.scheme not in ("blob", "data") and parts.netloc != ours:
                self.strangers.append(url)

        self.page.on("request", lambda request: requested(request.url))
        self.page.on("websocket", lambda socket: requested(socket.url))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on(
            "console",
            lambda line: self.troubles.append(line.text) if line.type in ("error", "warning") else None,
        )

    def pane(self, name: str) -> Locator:
        """One person's side."""
        return self.page.locator(f"#pane-{name}")

    def input(self, name: str) -> Locator:
        """Where that person writes."""
        return self.page.get_by_label(f"Write as {name}", exact=True)

    def message(self, name: str, text: str) -> Locator:
        """A message as that person sees it."""
        return self.pane(name).locator(".message", has_text=text)

    def rows(self, type_: str) -> Locator:
        """The log's rows of one type."""
        return self.page.locator(".row").filter(has=self.page.locator(".type").get_by_text(type_, exact=True))

    async def write(self, name: str, text: str) -> None:
        """That person writes a message."""
        await self.input(name).fill(text)
        await self.input(name).press("Enter")

    async def tick(self, name: str, text: str, state: str) -> None:
        """Waits until the message of that person is ``Sent``, ``Delivered`` or ``Seen``."""
        await expect(self.message(name, text).get_by_role("img", name=state, exact=True)).to_be_visible()


@asynccontextmanager
async def opened(chromium: Browser, url: str, **context_options: Any) -> AsyncIterator[Console]:
    """The page at ``url``. When it is closed: nothing went wrong on it, nothing was asked of another origin."""
    options = {"viewport": {"width": 1440, "height": 860}, "reduced_motion": "reduce", **context_options}
    context = await chromium.new_context(**options)
    console = Console(await context.new_page(), url)
    console.watch()
    await console.open()
    yield console
    if folder := os.environ.get("LEGATO_SCREENSHOTS"):
        name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
        await console.page.screenshot(path=Path(folder) / f"{name}.png")
    await context.close()
    assert console.troubles == []
    assert console.strangers == []


@pytest_asyncio.fixture(loop_scope="session")
async def console(scene: Scene, chromium: Browser) -> AsyncIterator[Console]:
    """The page of this test's conversation."""
    async with opened(chromium, scene.url) as console:
        yield console


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small PNG."""
    out = BytesIO()
    Image.linear_gradient("L").resize((320, 200)).save(out, "PNG")
    path = tmp_path / "scores.png"
    path.write_bytes(out.getvalue())
    return path
