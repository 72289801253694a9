"""The documentation as a site, built once, and a browser to read it with."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.conftest import missing
from tests.e2e.console.conftest import FLAGS

ROOT = Path(__file__).parents[3]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for those of these tests that share a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def build(repository: Path, to: Path, builder: str = "html") -> subprocess.CompletedProcess[str]:
    """What ``make docs`` does with the documents of ``repository``. What was read once is not read again."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--quiet",
        "--fail-on-warning",
        "--keep-going",
        "--no-color",
        "--builder",
        builder,
    ]
    read = repository.with_suffix(".doctrees")
    return subprocess.run(
        [*command, "-c", str(ROOT / "docs" / "site"), "-d", str(read), str(repository), str(to)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the documents, and of what they link to."""
    to = tmp_path_factory.mktemp("documents") / "repository"
    documents = [*ROOT.glob("*.md"), *ROOT.glob("bench/*.md"), ROOT / "clients/js/README.md"]
    for path in (*documents, ROOT / "src/legato/legato.default.toml"):
        (to / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to / path.relative_to(ROOT))
    for directory in ("docs", "deploy"):
        shutil.copytree(ROOT / directory, to / directory)
    return to


@pytest.fixture(scope="session")
def site(repository: Path) -> Path:
    """The built site."""
    to = repository.with_name("site")
    built = build(repository, to)
    assert (built.returncode, built.stderr) == (0, "")
    return to


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Nothing: a test's output is of failures."""


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where it is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


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


@asynccontextmanager
async def reading(chromium: Browser, address: str, **options: Any) -> AsyncIterator[Page]:
    """A page of the site. When it is closed: nothing went wrong, and nothing was asked of another host."""
    context = await chromium.new_context(reduced_motion="reduce", **options)
    page = await context.new_page()
    strangers: list[str] = []
    troubles: list[str] = []
    page.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else strangers.append(asked.url))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    yield page
    await context.close()
    assert (strangers, troubles) == ([], [])
