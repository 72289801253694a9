"""The built-in receiver, and what the page is told of deliveries and may do about them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from legato.console import receiver as receiver_module
from legato.events.envelope import Event
from legato.store.attempts import Attempt, DeadLetter, keep_attempts, keep_dead_letters
from legato.store.endpoints import Endpoint, change_endpoint, read_endpoint, rotate_endpoint_secret
from legato.store.lanes import webhook_id
from legato.store.leases import Progress, lease_lanes, save_progress

from .conftest import APPLICATION, CONVERSATION, HOOK, Answer, Browser, Chat

FEED = f"/console/feed?conversation_id={CONVERSATION}"
CHOSEN = {"conversation_id": CONVERSATION, "event_id": 2}


@pytest.fixture
async def browser(chat: Chat, browser: Browser) -> Browser:
    """A browser of an application whose webhooks go to the built-in receiver."""
    await chat.point_to(HOOK)
    return browser


async def endpoint_of(chat: Chat) -> Endpoint:
    found = await chat.log.read(lambda connection: read_endpoint(connection, APPLICATION))
    assert found is not None
    return found


async def deliver(chat: Chat, browser: Browser, event_id: int = 2, *, body: bytes | None = None) -> Answer:
    """A request as the dispatcher makes it, with another body if one is given."""
    event = Event(type="text", body={"text": "hello"}, timestamp="2026-01-02T08:00:00.000Z", application_id=APPLICATION)
    prepared = browser.webhooks.sender.prepare(await endpoint_of(chat), event, webhook_id(CONVERSATION, event_id))
    headers = {name.lower().replace("-", "_"): value for name, value in prepared.headers.items()}
    return await browser.get("/console/hook", method="POST", body=body or prepared.body, **headers)


async def attempted(chat: Chat, event_id: int, **fields: Any) -> None:
    """An attempt as the ledger keeps it."""
    attempt = Attempt(
        endpoint_id=APPLICATION,
        webhook_id=webhook_id(CONVERSATION, event_id),
        stream=CONVERSATION,
        event_type="text",
        **{"at": chat.log.clock.now(), "seconds": 0.01, **fields},
    )
    await chat.log.transact(lambda connection: keep_attempts(connection, [attempt]))


async def test_a_signed_webhook_is_taken(chat: Chat, browser: Browser) -> None:
    answer = await deliver(chat, browser)
    assert (answer.status, answer.body) == (200, b"Received.")


async def test_what_is_not_signed_for_this_endpoint_is_refused(chat: Chat, browser: Browser) -> None:
    assert (await browser.get("/console/hook", method="POST", body=b"{}")).status == 401
    forged = await deliver(chat, browser, body=b'{"type":"text"}')
    assert (forged.status, forged.body) == (
        401,
        b"webhook-signature: none is of this secret over this id, time and body",
    )


async def test_a_rotated_secret_is_known_at_once(chat: Chat, browser: Browser) -> None:
    await deliver(chat, browser)
    now = chat.log.clock.now()
    await chat.log.transact(lambda connection: rotate_endpoint_secret(connection, APPLICATION, now, 0.0))
    assert (await deliver(chat, browser)).status == 200


async def test_a_body_without_end_is_not_kept(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "MAX_BODY", 10)
    assert (await browser.get("/console/hook", method="POST", body=b"x" * 11)).status == 413


async def test_the_receiver_answers_as_the_page_has_switched_it(
    chat: Chat, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "SLOW_SECONDS", 0.01)
    for behaviour, status in (("refuse", 500), ("slow", 200), ("well", 200)):
        assert (await browser.post("/console/receiver", {"behaviour": behaviour})).status == 204
        assert (await deliver(chat, browser)).status == status
    assert (await browser.post("/console/receiver", {"behaviour": "sulk"})).status == 400


async def test_a_closing_console_keeps_no_webhook_waiting(chat: Chat, browser: Browser) -> None:
    await browser.post("/console/receiver", {"behaviour": "slow"})
    waiting = asyncio.create_task(deliver(chat, browser))
    await asyncio.sleep(0)
    browser.console.close()
    assert (await waiting).status == 200


async def test_an_attempt_comes_with_its_request_as_it_was_received(chat: Chat, browser: Browser) -> None:
    await chat.say("hello")
    begun = chat.log.clock.now()
    await deliver(chat, browser)
    await attempted(chat, 2, at=begun, status=200, answer=b"Received.")
    await attempted(chat, 2, at=begun - 60, status=None, error="Nobody was there.")
    missed, taken = (await browser.get(f"/console/attempts?conversation_id={CONVERSATION}&event_id=2")).json
    assert (taken["status"], taken["answer"]) == (200, "Received.")
    assert taken["request"]["line"] == "POST /console/hook HTTP/1.1"
    assert taken["request"]["signatures"] == ["JWT", "Standard Webhooks"]
    assert dict(taken["request"]["headers"])["webhook-id"] == f"{CONVERSATION}_2"
    assert '"text":"hello"' in taken["request"]["body"]
    assert (missed["error"], missed["request"]) == ("Nobody was there.", None)


async def test_the_oldest_requests_are_forgotten(chat: Chat, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "MAX_KEPT", 2)
    for event_id in (1, 2, 3):
        begun = chat.log.clock.now()
        await deliver(chat, browser, event_id)
        await attempted(chat, event_id, at=begun, status=200)
    for event_id, is_kept in ((1, False), (2, True), (3, True)):
        path = f"/console/attempts?conversation_id={CONVERSATION}&event_id={event_id}"
        assert ((await browser.get(path)).json[0]["request"] is not None) == is_kept


async def test_a_feed_says_how_each_event_stands(chat: Chat, browser: Browser) -> None:
    await chat.say("two", "three", "four")
    await attempted(chat, 2, status=500)
    await attempted(chat, 2, status=200)
    await attempted(chat, 3, status=500)
    await attempted(chat, 4, status=422)
    letter = DeadLetter(
        endpoint_id=APPLICATION,
        webhook_id=webhook_id(CONVERSATION, 4),
        stream=CONVERSATION,
        event_type="text",
        at=0.0,
        reason="answered 422",
        attempts=1,
    )
    await chat.log.transact(lambda connection: keep_dead_letters(connection, [letter]))
    news = await browser.open(FEED).told(lambda news: news["marks"])
    assert news["marks"] == {
        "2": {"state": "delivered", "attempts": 2},
        "3": {"state": "retrying", "attempts": 1},
        "4": {"state": "dead", "attempts": 1},
    }
    assert (news["standing"]["url"], news["standing"]["is_built_in"]) == (HOOK, True)


async def test_who_comes_back_is_told_of_events_that_it_has(chat: Chat, browser: Browser) -> None:
    await chat.say("two")
    await attempted(chat, 2, status=200)
    stream = browser.open(FEED, last_event_id="2")
    assert (await stream.told(lambda news: news["marks"]))["marks"]["2"]["state"] == "delivered"


async def test_an_open_feed_hears_of_every_attempt(chat: Chat, browser: Browser) -> None:
    await chat.say("two")
    stream = browser.open(FEED)
    await stream.told(lambda news: news["standing"]["head"] == 2)
    await attempted(chat, 2, status=500)
    assert (await stream.told(lambda news: news["marks"]))["marks"] == {"2": {"state": "retrying", "attempts": 1}}
    await attempted(chat, 2, status=200)
    await stream.told(lambda news: news["marks"] == {"2": {"state": "delivered", "attempts": 2}})


async def test_a_waiting_endpoint_says_why_and_until_when(chat: Chat, browser: Browser) -> None:
    stream = browser.open(FEED)
    await stream.told(lambda news: news["standing"]["url"] == HOOK)
    due_at = chat.log.clock.now() + 60
    await chat.log.transact(
        lambda connection: change_endpoint(connection, APPLICATION, failures=2, due_at=due_at, why="answered 503")
    )
    standing = (await stream.told(lambda news: news["standing"]["failures"]))["standing"]
    assert (standing["why"], standing["due_at"]) == ("answered 503", due_at)


async def test_an_application_without_a_webhook_has_none_on_the_page(chat: Chat, browser: Browser) -> None:
    await chat.point_to(None)
    news = await browser.open(FEED).told(lambda news: True)
    assert news["standing"]["url"] is None
    assert (await browser.post("/console/again", CHOSEN)).status == 404
    assert (await browser.post("/console/resume", {})).status == 404


async def test_another_receiver_is_not_the_built_in_one(chat: Chat, browser: Browser) -> None:
    await chat.point_to("http://127.0.0.1:9/mine")
    assert not (await browser.open(FEED).told(lambda news: news["standing"]["url"]))["standing"]["is_built_in"]


async def test_resuming_makes_due_what_waited(chat: Chat, browser: Browser) -> None:
    await chat.say("two")
    now = chat.log.clock.now()

    def hold_up(connection: Any) -> None:
        change_endpoint(connection, APPLICATION, state="disabled", why="answered 410 Gone", due_at=now + 60)
        lease_lanes(connection, {APPLICATION: 1}, "node", now, now + 10)
        held = Progress(endpoint_id=APPLICATION, stream=CONVERSATION, cursor=1, due_at=now + 60, release=True)
        save_progress(connection, "node", [held], now, now)

    await chat.log.transact(hold_up)
    assert (await browser.post("/console/resume", {})).status == 204
    endpoint = await endpoint_of(chat)
    assert (endpoint.state, endpoint.why, endpoint.due_at) == ("active", None, 0.0)
    later = chat.log.clock.now()
    assert await chat.log.transact(lambda c: lease_lanes(c, {APPLICATION: 9}, "node", later, later + 10))


async def test_sending_again_makes_a_lane_of_its_own(chat: Chat, browser: Browser) -> None:
    await chat.say("two")
    assert (await browser.post("/console/again", CHOSEN)).status == 204
    now = chat.log.clock.now()
    leases = await chat.log.transact(lambda c: lease_lanes(c, {APPLICATION: 9}, "node", now, now + 10))
    assert sorted(lease.stream.partition(":")[0] for lease in leases) == [CONVERSATION, "replay"]


async def test_only_the_page_itself_may_change_something(browser: Browser) -> None:
    assert (await browser.post("/console/receiver", {"behaviour": "refuse"}, sec_fetch_site="cross-site")).status == 403
    assert (await browser.post("/console/resume", {}, host="rebound.example")).status == 403
    form = await browser.post("/console/again", CHOSEN, content_type="text/plain")
    assert form.status == 403
    assert (await browser.get("/console/again")).headers["allow"] == "POST"
    other = {"conversation_id": "CON-00000000-0000-4000-8000-00000000000c", "event_id": 1}
    assert (await browser.post("/console/again", other)).status == 404
    assert (await browser.post("/console/receiver", {"behaviour": "x" * 5_000})).status == 400
