"""The pictures of the documentation: what they show can be reached. ``make screenshots`` takes them anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.async_api import Browser, Locator, Page, ViewportSize, expect

from tests.e2e.dev_server import DevServer, Scene

from .conftest import Console, opened

IMAGES = Path(__file__).parents[3] / "docs" / "images"
COLOURS = 128  # of a palette: these are letters and plain areas, and stay small
MAX_BYTES = 200_000
WIDE: ViewportSize = {"width": 1360, "height": 700}
TALL: ViewportSize = {"width": 1360, "height": 940}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DevServer]:
    """``legato dev`` of this test's own, which tries again soon."""
    with DevServer(tmp_path, settings={"LEGATO_WEBHOOK_RETRY_SECONDS": "0.2"}) as running:
        yield running


@pytest.fixture
def scene(server: DevServer) -> Scene:
    """A conversation on that server."""
    return server.conversation()


async def take(name: str, of: Page | Locator) -> None:
    """The picture ``name``, in both schemes: kept under ``docs/images`` when it is asked for, and thrown away else."""
    page = of if isinstance(of, Page) else of.page
    for scheme in ("light", "dark"):
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", scheme)
        shot = Image.open(BytesIO(await of.screenshot(animations="disabled", caret="hide", scale="device")))
        path = IMAGES / f"{name}-{scheme}.png"
        if os.environ.get("LEGATO_TAKE_PICTURES") == "1":
            small = shot.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            small.save(path, optimize=True)
        with Image.open(path) as kept:
            assert abs(kept.width - shot.width) < 0.02 * shot.width, "the page has another form: make screenshots"
        assert path.stat().st_size < MAX_BYTES


async def shown(*wanted: Locator) -> None:
    """Everything that a picture is of is to be seen."""
    for each in wanted:
        await expect(each.last).to_be_in_viewport()


async def test_the_pictures_show_what_is_there(scene: Scene, chromium: Browser) -> None:
    async with opened(chromium, scene.url, viewport=WIDE, device_scale_factor=1.5) as console:
        await console.page.locator("#hint-close").click()
        await talk(console)
        await shown(
            console.message("bob", "Shall we start at nine?"),
            console.message("alice", "The Adagio, from bar 40."),
            console.rows("text"),
            console.rows("text:seen"),
            console.page.locator(".way.delivered"),
            console.page.locator("#behaviour"),
        )
        await take("console", console.page)
        await console.page.set_viewport_size(TALL)
        await refused(console)
        opened_row = console.rows("text").filter(has_text="Bring your own stand")
        await shown(
            opened_row.locator(".attempts > li"),
            opened_row.locator(".attempts .wire"),
            opened_row.get_by_role("button", name="Send again"),
        )
        await take("deliveries", console.page.locator("#log"))


async def talk(console: Console) -> None:
    """A few words, read on both sides."""
    await console.write("alice", "Shall we start at nine?")
    await console.write("bob", "Nine is fine. What first?")
    await console.write("alice", "The Adagio, from bar 40.")
    await console.message("bob", "The Adagio, from bar 40.").click()
    await console.tick("alice", "The Adagio, from bar 40.", "Seen")
    await expect(console.page.locator(".way.waiting, .way.retrying")).to_have_count(0)


async def refused(console: Console) -> None:
    """An event that was refused, was tried again, arrived, and is open."""
    page = console.page
    await page.get_by_role("radio", name="Refuse", exact=True).check()
    await console.write("alice", "Bring your own stand.")
    row = console.rows("text").filter(has_text="Bring your own stand")
    await expect(row.locator(".way.retrying .times")).to_be_visible()
    await page.get_by_role("radio", name="Well", exact=True).check()
    await page.locator("#held").get_by_role("button", name="Resume").click()
    await expect(row.locator(".way.delivered")).to_be_visible()
    # The log follows what comes: everything has to have come before the row is brought into sight.
    await console.tick("alice", "Bring your own stand.", "Delivered")
    await expect(page.locator(".way.waiting, .way.retrying")).to_have_count(0)
    await row.locator(".event").click()
    await row.locator(".attempts > li").first.locator("summary").click()
    await row.evaluate("row => row.scrollIntoView({ block: 'start' })")


async def test_every_picture_is_used_and_every_picture_has_both_schemes() -> None:
    kept = {path.name for path in IMAGES.glob("*.png")}
    assert kept == {name.replace("-light", "-dark") for name in kept} | {n.replace("-dark", "-light") for n in kept}
    root = IMAGES.parents[1]
    text = "".join(path.read_text() for path in (root / "README.md", *(root / "docs").rglob("*.md")))
    assert {name for name in kept if f"images/{urlsplit(name).path}" not in text} == set()
