"""The browser bundles of the client SDKs, in pages of headless Chromium."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

from aiohttp import web
from playwright.async_api import Browser, WebSocket, async_playwright
from playwright.async_api import Page as ChromiumPage

from .clients import HERE, MODULES, PATIENCE, Record, SdkError

BUNDLES = {
    "nexmo": (MODULES / "nexmo-client/dist/nexmoClient.min.js", "NexmoClient"),
    "chat": (MODULES / "@vonage/client-sdk/dist/vonageClientSDK.min.js", "vonageClientSDK"),
}

# Nothing leaves the machine: every name but the loopback's is unknown to this browser.
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]

PAGE = """<!doctype html><meta charset="utf-8"><title>{driver}</title>
<script src="/drivers/deaf.js"></script><script src="/bundle/{driver}"></script>
<script type="module">
import {{ drive }} from '/drivers/{driver}.js'
import {{ plain }} from '/drivers/plain.js'
const file = (bytes, name, type) => new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, {{ type }})
const tell = (from, name, detail) => window.arrived(JSON.stringify({{ from, name, detail }}))
const commands = {{
  ...drive(window.{name}, tell, {{ file }}),
  async deaf({{ on }}) {{
    window.deaf = on
  }},
}}
window.run = async (command, args) => {{
  try {{
    return {{ result: (await commands[command](args)) ?? null }}
  }} catch (error) {{
    return {{ error: plain(error) ?? {{ message: String(error) }} }}
  }}
}}
</script>
"""


class Chromium:
    """Debian's headless Chromium, started when the first page is opened and closed at the end of the context."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._starting = asyncio.Lock()
        self._started: tuple[Browser, str] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def open(self, driver: str) -> Page:
        """A page with an SDK in it; ``driver`` is nexmo or chat."""
        async with self._starting:
            if self._started is None:
                self._started = await self._start()
        return await Page.open(*self._started, driver)

    async def _start(self) -> tuple[Browser, str]:
        playwright = await self._stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        self._stack.push_async_callback(browser.close)
        return browser, await self._stack.enter_async_context(app_host())


@asynccontextmanager
async def app_host() -> AsyncIterator[str]:
    """The origin that serves the apps' pages: another one than the server's, so that CORS is really asked for."""

    async def page(request: web.Request) -> web.Response:
        driver = request.match_info["driver"]
        text = PAGE.format(driver=driver, name=BUNDLES[driver][1])
        return web.Response(text=text, content_type="text/html")

    async def bundle(request: web.Request) -> web.FileResponse:
        return web.FileResponse(BUNDLES[request.match_info["driver"]][0])

    app = web.Application()
    app.router.add_get("/app/{driver}", page)
    app.router.add_get("/bundle/{driver}", bundle)
    app.router.add_static("/drivers", HERE / "drivers")
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Page:
    """An SDK in a page of its own (a context of its own: no storage is shared)."""

    def __init__(self, page: ChromiumPage) -> None:
        self.record = Record()
        self._page = page

    @classmethod
    async def open(cls, chromium: Browser, origin: str, driver: str) -> Page:
        """``driver`` is nexmo or chat."""
        context = await chromium.new_context()
        page = await context.new_page()
        host = cls(page)
        await page.expose_function("arrived", lambda line: host.record.add(json.loads(line)))
        page.on("pageerror", lambda error: host.record.crashes.append(str(error)))
        page.on("websocket", host._overhear)
        await page.goto(f"{origin}/app/{driver}")
        await page.wait_for_function("window.run !== undefined")
        return host

    async def run(self, command: str, args: dict[str, Any]) -> Any:
        async with asyncio.timeout(PATIENCE):
            answer = await self._page.evaluate("([command, args]) => window.run(command, args)", [command, args])
        if "error" in answer:
            raise SdkError(answer["error"])
        return answer["result"]

    async def close(self) -> None:
        await self._page.context.close()

    def _overhear(self, socket: WebSocket) -> None:
        def file(data: str | bytes, *, sent: bool) -> None:
            self.record.add({"frame": data if isinstance(data, str) else repr(data), "sent": sent})

        socket.on("framereceived", lambda data: file(data, sent=False))
        socket.on("framesent", lambda data: file(data, sent=True))
