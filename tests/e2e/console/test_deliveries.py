"""Webhooks on the page: they arrive, are refused, are tried again, and are sent once more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Route, expect

from legato.testing.waiting import poll
from tests.e2e.dev_server import DevServer, Scene

from .conftest import Console, opened

# Retries after 0.2, 0.6, 1.2 s …
SOON = {"LEGATO_WEBHOOK_RETRY_SECONDS": "0.2"}
PATIENCE_S = 30.0


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[DevServer]:
    """``legato dev`` of this test's own, which tries again soon."""
    with DevServer(tmp_path, settings=SOON) as server:
        yield server


@pytest.fixture
def stage(hasty: DevServer) -> Scene:
    """A conversation on that server."""
    return hasty.conversation()


@pytest_asyncio.fixture(loop_scope="session")
async def page(stage: Scene, chromium: Browser) -> AsyncIterator[Console]:
    """The page of that conversation."""
    async with opened(chromium, stage.url) as console:
        yield console


def delivery(row: Locator, state: str) -> Locator:
    """The row's sign for how its delivery stands."""
    return row.locator(f".way.{state}")


def switch(console: Console, behaviour: str) -> Locator:
    """The receiver's switch."""
    return console.page.get_by_role("radio", name=behaviour, exact=True)


def say(stage: Scene, text: str) -> int:
    """A text of alice's; its id."""
    event = {"type": "text", "from": stage.member_id, "body": {"text": text}}
    answer = stage.server.request("POST", f"{stage.path}/events", event, token=stage.token)
    assert answer.status == 201, answer
    event_id: int = answer.body["id"]
    return event_id


def attempts(stage: Scene, event_id: int) -> list[dict[str, Any]]:
    """What the page would show."""
    answer = stage.server.request("GET", f"/console/attempts?conversation_id={stage.id}&event_id={event_id}")
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = answer.body
    return found


def behave(stage: Scene, behaviour: str) -> None:
    """Switches the receiver without the page."""
    assert stage.server.request("POST", "/console/receiver", {"behaviour": behaviour}).status == 204


def until(stage: Scene, event_id: int, statuses: list[int | None]) -> None:
    """Waits until the event's attempts begin with these statuses."""
    poll(
        lambda: [each["status"] for each in attempts(stage, event_id)][: len(statuses)] == statuses,
        PATIENCE_S,
        f"the attempts at event {event_id} are {statuses}",
    )


async def test_a_webhook_arrives_is_refused_is_retried_and_is_sent_again(page: Console) -> None:
    await page.write("alice", "This one arrives")
    first = page.rows("text").filter(has_text="This one arrives")
    await expect(delivery(first, "delivered")).to_be_visible()
    await expect(first.locator(".sinks")).to_have_attribute("title", re.compile("delivered to the webhook$"))

    await switch(page, "Refuse").check()
    await page.write("alice", "This one is refused")
    second = page.rows("text").filter(has_text="This one is refused")
    await expect(page.page.locator(".way.retrying .times").first).to_be_visible()
    held = page.page.locator("#held")
    await expect(held).to_contain_text("answered 500")
    await expect(delivery(second, "delivered")).to_have_count(0)

    await switch(page, "Well").check()
    await held.get_by_role("button", name="Resume").click()
    await expect(delivery(second, "delivered")).to_be_visible()
    await expect(held).to_be_hidden()

    await first.locator(".event").click()
    sent = first.locator(".attempts > li")
    await expect(sent).to_have_count(1)
    await first.get_by_role("button", name="Send again").click()
    await expect(sent).to_have_count(2)
    await expect(sent.last).to_contain_text("again")
    await expect(delivery(first, "delivered").locator(".times")).to_have_text("2")
    await sent.first.locator("summary").click()
    await expect(sent.first.locator(".signed")).to_contain_text("JWT, Standard Webhooks")
    await expect(sent.first.locator(".wire")).to_contain_text("webhook-signature: v1,")
    await expect(sent.first.locator(".wire")).to_contain_text('"text":"This one arrives"')


async def test_the_receiver_is_switched_by_keyboard_for_every_page(page: Console, stage: Scene) -> None:
    await switch(page, "Well").focus()
    await page.page.keyboard.press("ArrowRight")
    await expect(switch(page, "Refuse")).to_be_checked()
    await page.write("alice", "refuse me")
    await expect(page.page.locator(".way.retrying").first).to_be_visible()
    behave(stage, "slow")
    await expect(switch(page, "Slow")).to_be_checked()


async def test_news_that_is_on_its_way_does_not_put_the_switch_back(page: Console) -> None:
    taken: asyncio.Queue[Route] = asyncio.Queue(2)
    await page.page.route("**/console/receiver", taken.put)  # the request is held up, as on a slow network
    await switch(page, "Refuse").check()
    request = await taken.get()
    await page.write("alice", "this one is news, and the receiver still takes it")
    row = page.rows("text").filter(has_text="this one is news")
    await expect(delivery(row, "delivered")).to_be_visible()
    await expect(switch(page, "Refuse")).to_be_checked()
    await request.continue_()
    await page.write("alice", "this one is refused")
    await expect(page.page.locator(".way.retrying").first).to_be_visible()
    await expect(switch(page, "Refuse")).to_be_checked()


async def test_a_webhook_of_ones_own_is_named_in_place_of_the_switch(page: Console, stage: Scene) -> None:
    await expect(page.page.locator("#behaviour")).to_be_visible()
    application = stage.server.demo()["application_id"]
    path = f"/v2/applications/{application}"
    found = stage.server.request("GET", path, basic=True).body
    found["capabilities"]["rtc"]["webhooks"]["event_url"]["address"] = "http://127.0.0.1:9/mine"
    changed = {"name": found["name"], "capabilities": found["capabilities"]}
    assert stage.server.request("PUT", path, changed, basic=True).status == 200
    await expect(page.page.locator("#elsewhere")).to_have_text("http://127.0.0.1:9/mine")
    await expect(page.page.locator("#behaviour")).to_be_hidden()


async def test_who_hangs_up_is_asked_again(stage: Scene) -> None:
    behave(stage, "hangup")
    event_id = say(stage, "hello?")
    # An event before it may not have been taken yet: then that one holds up the lane.
    poll(
        lambda: any(each["status"] is None for known in range(1, event_id + 1) for each in attempts(stage, known)),
        PATIENCE_S,
        "somebody has hung up",
    )
    behave(stage, "well")
    poll(lambda: attempts(stage, event_id)[-1:] and attempts(stage, event_id)[-1]["status"] == 200, PATIENCE_S, "taken")
    last = attempts(stage, event_id)[-1]
    assert last["request"]["signatures"] == ["JWT", "Standard Webhooks"]


async def test_a_restart_on_another_port_takes_the_receiver_along(stage: Scene) -> None:
    until(stage, say(stage, "before"), [200])
    moved = DevServer(stage.server.directory, settings=SOON)
    stage.server.stop()
    with moved:
        again = Scene(moved, stage.id, stage.path, moved.demo()["users"][0]["token"], stage.member_id)
        event_id = say(again, "after")
        until(again, event_id, [200])
        assert dict(attempts(again, event_id)[0]["request"]["headers"])["host"] == f"127.0.0.1:{moved.port}"
