"""The page, its files, and who may have the demo's tokens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from legato.console import Console
from legato.events import CATALOGUE, Storage
from legato.events.ids import RandomIds

from .conftest import CONVERSATION, Browser, Chat

STATIC = Path(__file__).parents[3] / "src/legato/console/static"


async def test_the_page_and_everything_it_names_are_served(browser: Browser) -> None:
    page = await browser.get("/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:href|src)="(/[^"]+)"', page.body.decode())
    assert {"/console/main.js", "/console/console.css", "/console/icon.svg"} <= set(named)
    for path in named:
        assert (await browser.get(path)).status == 200, path


async def test_every_module_that_a_module_imports_is_served(browser: Browser) -> None:
    waiting, seen = ["/console/main.js"], set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        module = await browser.get(path)
        assert (module.status, module.headers["content-type"]) == (200, "text/javascript; charset=utf-8"), path
        folder = path.rpartition("/")[0]
        found = re.findall(r"from '\./([^']+)'", module.body.decode())
        waiting += [each for name in found if (each := f"{folder}/{name}") not in seen]
    assert "/console/client/session.js" in seen


async def test_nothing_on_the_page_names_another_host() -> None:
    for path in STATIC.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", text), path


async def test_the_policy_allows_no_inline_script_and_no_other_origin(browser: Browser) -> None:
    page = await browser.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|\son[a-z]+=|\sstyle=", page.body.decode())


async def test_a_file_that_the_browser_has_is_not_sent_again(browser: Browser) -> None:
    first = await browser.get("/console/main.js")
    again = await browser.get("/console/main.js", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert (await browser.get("/console/main.js", if_none_match='"another"')).status == 200


@pytest.mark.parametrize("path", ["/console/", "/console/../page.py", "/console/nothing.js", "/console/client/"])
async def test_a_path_that_names_no_file_is_not_found(browser: Browser, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status, answer.json["code"]) == (404, "http:error:not-found")


async def test_only_reading_is_allowed(browser: Browser) -> None:
    answer = await browser.get("/console/demo.json", method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_the_demo_comes_with_fresh_tokens_that_no_cache_keeps(browser: Browser) -> None:
    answer = await browser.get("/console/demo.json", sec_fetch_site="same-origin")
    assert answer.json["conversation_id"] == CONVERSATION
    assert [user["token"] for user in answer.json["users"]] == ["token of alice"]
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/console/demo.json", f"/console/feed?conversation_id={CONVERSATION}"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_in_the_same_browser_is_refused(browser: Browser, path: str, site: str) -> None:
    answer = await browser.get(path, sec_fetch_site=site)
    assert answer.status == 403
    assert b"token of" not in answer.body


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example:8080", "localhost.example", ""])
async def test_a_name_that_was_pointed_at_this_machine_is_refused(browser: Browser, host: str) -> None:
    assert (await browser.get("/console/demo.json", host=host)).status == 403


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "192.0.2.7:8080", "demo.localhost", "Laptop.Example:80"]
)
async def test_addresses_and_names_that_are_known_are_answered(browser: Browser, host: str) -> None:
    assert (await browser.get("/console/demo.json", host=host)).status == 200


async def test_without_a_demo_there_is_no_console(chat: Chat, browser: Browser) -> None:
    console = Console(chat.log, None, browser.webhooks, RandomIds(), signature_secret="")
    assert not any(console.owns(path) for path in ("/", "/console/", "/console/demo.json", "/console/main.js"))
    console.close()


async def test_the_console_owns_its_paths_and_no_others(browser: Browser) -> None:
    owns = browser.console.owns
    assert owns("/")
    assert owns("/console/feed")
    assert not any(owns(path) for path in ("/v0.3/users", "/consoles", "/v2/rtc/", "/console"))


async def test_the_catalogue_tells_where_each_type_goes(browser: Browser) -> None:
    entries = {entry["name"]: entry for entry in (await browser.get("/console/catalogue.json")).json}
    assert set(entries) == {entry.name for entry in CATALOGUE}
    for entry in CATALOGUE:
        assert ("history" in entries[entry.name]["sinks"]) == (entry.storage is Storage.LOG)
    assert entries["text:typing:on"]["sinks"] == ["sessions", "webhook"]
