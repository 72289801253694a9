"""The site: it is whole, it finds things, everybody can read it, and it asks nothing of anybody else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, ViewportSize, expect

from legato.cli.page import commands
from legato.events import CATALOGUE
from tests.e2e.console.test_reach import CONTRAST

from .conftest import ROOT, build, reading

SETTINGS = tomllib.loads((ROOT / "src/legato/legato.default.toml").read_text())
METRICS = re.findall(
    r"^\| `(\w+)` \| (?:counter|gauge|histogram|summary) ", (ROOT / "docs/operating.md").read_text(), re.MULTILINE
)
# What people look for, and the page that they should be led to.
WANTED = {
    "reference/events": [entry.name for entry in CATALOGUE],
    "reference/commands": [each.name for each in commands()],
    "configuration": [f"setting {name}" for name in SETTINGS],
    "operating": METRICS,
    "reference/rest": ["Create a conversation", "Sends events again", "conversation:error:duplicate-name"],
    "webhooks": ["payload_hash", "whsec_", "signed_callbacks"],
}
# Among so many of the first results. What has a heading of its own is the very first.
FIRST = 5
HEADED = {"reference/events", "reference/commands"}
PHONE: ViewportSize = {"width": 390, "height": 844}
READABLE = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)]
  const levels = all('article :is(h1, h2, h3, h4)').map((each) => Number(each.tagName[1]))
  return {
    language: document.documentElement.lang === 'en',
    oneTitle: levels.filter((level) => level === 1).length === 1,
    noLevelLeftOut: levels.every((level, place) => !place || level <= levels[place - 1] + 1),
    picturesInWords: all('article img').every((each) => each.alt),
    namedButtons: all('button').every((each) => each.textContent.trim() || each.ariaLabel || each.title),
    asWideAsThePhone: document.documentElement.scrollWidth <= innerWidth,
  }
}"""
TEXTS = [
    "article p",
    "article h2",
    "article a",
    "article td",
    "article th",
    "article code.literal",
    "article .highlight pre",
    ".highlight .s2",
    ".sidebar-tree a",
    ".sidebar-tree .caption",
    ".sidebar-search",
    ".toc-tree a",
    ".toc-title",
    ".bottom-of-page",
    ".copy",
]


def pages(site: Path) -> list[str]:
    """Every page, by its address."""
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html") if "_static" not in path.parts)


@pytest.fixture
def stray(repository: Path, site: Path) -> Iterator[Path]:
    """A document that is listed nowhere and has nothing to show."""
    path = repository / "docs" / "stray.md"
    path.write_text("# Stray\n\n[gone](nowhere.md), [not there](webhooks.md#nowhere), ![no picture](images/none.png)\n")
    yield path
    path.unlink()


def test_a_link_that_leads_nowhere_and_a_page_that_is_listed_nowhere_are_errors(
    stray: Path, repository: Path, tmp_path: Path
) -> None:
    built = build(repository, tmp_path, "dummy")
    assert built.returncode != 0
    told = [line for line in built.stderr.splitlines() if "WARNING" in line]
    assert [line for line in told if not line.startswith(str(stray))] == []
    kinds = sorted(line.rpartition("[")[2] for line in told)
    assert kinds == ["image.not_readable]", "myst.xref_missing]", "myst.xref_missing]", "toc.not_included]"]


def test_nothing_on_it_comes_from_elsewhere(site: Path) -> None:
    loaded = re.compile(
        r"""<(?:script|img|iframe|source)[^>]+src=["'](?:https?:)?//|<link[^>]+href=["'](?:https?:)?//"""
    )
    assert [name for name in pages(site) if loaded.search((site / name).read_text())] == []
    styles = {path.name: path.read_text() for path in site.rglob("*.css")}
    assert {name for name, text in styles.items() if re.search(r"@import|url\(\s*[\"']?(https?:)?//", text)} == set()


async def test_its_search_finds_every_event_command_setting_and_metric(address: str, chromium: Browser) -> None:
    assert all(WANTED.values())
    async with reading(chromium, address) as page:
        await page.goto(f"{address}/search.html")
        await page.wait_for_function("Search.hasIndex()")
        found = await page.evaluate(
            """wanted => wanted.map(([document, words]) => {
              const best = Search._performSearch(...Search._parseQuery(words)).reverse()
              return [document, words, best.findIndex((each) => each[0] === document), best[0]?.[1] ?? '']
            })""",
            [[document, words] for document, all_words in WANTED.items() for words in all_words],
        )
    assert [(document, words) for document, words, place, _first in found if not 0 <= place < FIRST] == []
    headed = [(words, first) for document, words, _place, first in found if document in HEADED]
    assert [(words, first) for words, first in headed if not first.endswith(f" > {words}")] == []


async def test_somebody_types_and_is_led_to_the_place(address: str, chromium: Browser) -> None:
    async with reading(chromium, address, viewport={"width": 1280, "height": 800}) as page:
        await page.goto(f"{address}/index.html")
        await page.keyboard.press("/")
        await page.keyboard.type("member:joined")
        await page.keyboard.press("Enter")
        await page.locator("#search-results").get_by_role("link", name="member:joined").first.click()
        await expect(page).to_have_url(re.compile(r"reference/events\.html.*#member-?joined$"))
        await expect(page.get_by_role("heading", name="member:joined", exact=True)).to_be_in_viewport()


async def test_its_search_works_from_the_disk(site: Path, chromium: Browser) -> None:
    page = await chromium.new_page()  # which may not read a page for an excerpt, and says so on its console
    await page.goto(f"{site.as_uri()}/search.html?q=webhook_retry_seconds")
    await expect(page.locator("#search-results").get_by_role("link", name="Settings")).to_be_visible()
    await page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_its_letters_stand_out(scheme: str, address: str, chromium: Browser) -> None:
    async with reading(chromium, address, color_scheme=scheme, viewport={"width": 1440, "height": 900}) as page:
        await page.goto(f"{address}/reference/rest.html")
        await expect(page.locator(".copy").first).to_be_attached()
        told = dict(await page.evaluate(CONTRAST, TEXTS))
    assert {text: ratio for text, ratio in told.items() if ratio < 4.5} == {}


async def test_every_page_can_be_read_on_a_phone_and_through_a_screen_reader(
    site: Path, address: str, chromium: Browser
) -> None:
    wrong = {}
    async with reading(chromium, address, viewport=PHONE) as page:
        for name in set(pages(site)) - {"search.html"}:
            await page.goto(f"{address}/{name}")
            told = await page.evaluate(READABLE)
            if not all(told.values()):
                wrong[name] = [what for what, holds in told.items() if not holds]
    assert wrong == {}
