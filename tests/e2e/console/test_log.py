"""The conversation's log beside the panes."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from playwright.async_api import expect

from legato.events import CATALOGUE
from tests.e2e.dev_server import Scene

from .conftest import Console

MANY = 1_500


async def test_every_event_appears_in_the_order_of_the_log(console: Console, picture: Path) -> None:
    await console.write("alice", "first")
    await console.tick("alice", "first", "Delivered")
    await console.input("bob").click()
    await console.tick("alice", "first", "Seen")
    await console.input("alice").press("ArrowUp")
    await console.write("alice", "First")
    await expect(console.message("bob", "First")).to_be_visible()
    await console.page.get_by_label("Pictures to send as alice").set_input_files(picture)
    await expect(console.rows("image:delivered")).to_have_count(1)
    mine = console.message("alice", "First")
    await mine.hover()
    await mine.get_by_role("button", name="Delete").click()
    await expect(console.rows("event:delete")).to_have_count(1)
    await console.page.locator("#filter").fill(
        "text, text:delivered, text:seen, text:update, image, event:delete, member:*"
    )
    await expect(console.page.locator(".row .type")).to_have_text(
        [
            "member:joined",
            "member:joined",
            "text",
            "text:delivered",
            "text:seen",
            "text:update",
            "image",
            "event:delete",
        ]
    )
    await console.page.locator("#filter").fill("")
    ids = [text for text in await console.page.locator(".row .id").all_inner_texts() if text.isdigit()]
    assert [int(text) for text in ids] == list(range(1, len(ids) + 1))


async def test_typing_is_a_signal_without_a_place_in_the_log(console: Console) -> None:
    await console.input("alice").press_sequentially("hm")
    row = console.rows("text:typing:on")
    await expect(row).to_have_class(re.compile(r"\bsignal\b"))
    await expect(row.locator(".id")).to_have_text("signal")
    await row.get_by_role("button").click()
    await expect(row.locator(".where")).not_to_contain_text("history")


async def test_an_opened_event_shows_its_json_and_where_it_went(console: Console) -> None:
    await console.write("alice", "Look inside")
    row = console.rows("text")
    await row.get_by_role("button", expanded=False).click()
    await expect(row.locator(".json")).to_contain_text('"text": "Look inside"')
    await expect(row.locator(".where")).to_contain_text("Kept in history · heard by 2 users")
    await expect(row.locator(".detail p").first).to_have_text(CATALOGUE["text"].summary)
    await row.get_by_role("button", expanded=True).click()
    await expect(row.locator(".json")).to_have_count(0)


async def test_the_filter_offers_every_type_of_the_catalogue(console: Console) -> None:
    offered = await console.page.locator("#types option").evaluate_all("options => options.map(({value}) => value)")
    assert {entry.name for entry in CATALOGUE} <= set(offered)
    await console.page.locator("#filter").fill("nothing:like:it")
    await expect(console.page.locator("#empty")).to_have_text("No event passes this filter.")


async def test_a_family_can_be_hidden_and_brought_back(console: Console) -> None:
    await console.write("alice", "hello")
    await expect(console.rows("text:delivered")).to_have_count(1)
    button = console.page.locator("#families").get_by_role("button", name="text")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "false")
    await expect(console.page.locator(".row .type")).to_have_text(["member:joined", "member:joined"])
    await button.click()
    await expect(console.rows("text")).to_have_count(1)


async def test_pointing_at_a_receipt_shows_what_it_is_for(console: Console) -> None:
    await console.write("alice", "Pointed at")
    await console.rows("text:delivered").hover()
    await expect(console.rows("text")).to_have_class(re.compile(r"\brelated\b"))
    await expect(console.message("bob", "Pointed at")).to_have_class(re.compile(r"\bpointed\b"))
    await expect(console.page.locator(".slurs path")).to_have_count(1)


async def test_the_last_request_can_be_made_again_in_a_shell(console: Console) -> None:
    await console.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await console.write("alice", "it's me")
    await expect(console.page.locator("#request-line")).to_contain_text("POST")
    await expect(console.rows("text:delivered")).to_have_count(1)
    await console.input("alice").press_sequentially("x")
    await expect(console.page.locator("#request-line")).to_contain_text("201")
    await console.page.get_by_role("button", name="Copy as curl").click()
    command = await console.page.evaluate("navigator.clipboard.readText()")
    process = await asyncio.create_subprocess_shell(
        f"{command} --silent --output /dev/null --write-out '%{{http_code}}'", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode() == "201"


async def test_the_log_stays_small_on_the_page_with_many_events(console: Console, scene: Scene) -> None:
    def post(numbers: range) -> None:
        for number in numbers:
            body = {"type": "custom:count", "from": scene.member_id, "body": {"number": number}}
            while (answer := request("POST", f"{scene.path}/events", body, token=scene.token)).status == 429:
                pass  # asked to wait: the request itself took some time
            assert answer.status == 201, answer

    request = scene.server.request
    await asyncio.gather(*(asyncio.to_thread(post, range(first, MANY, 4)) for first in range(4)))
    head = request("GET", scene.path, token=scene.token).body["sequence_number"]
    await expect(console.page.locator("#count")).to_have_text(f"{head} events")
    await expect(console.page.locator(".row").last).to_be_in_viewport()
    assert await console.page.locator(".row").count() < 60
    await console.page.locator("#viewport").evaluate("viewport => { viewport.scrollTop = 0 }")
    await expect(console.page.locator(".row .id").first).to_have_text("event 1")
    await console.write("alice", "one more")
    await expect(console.page.locator("#newer")).to_be_visible()
    await console.page.locator("#newer").click()
    await expect(console.rows("text").last).to_be_in_viewport()
