"""The feed: a conversation's log, then what happens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from legato.console import feed as feed_module
from legato.conversations import Caller, CreateConversation
from legato.testing.waiting import PATIENCE_SECONDS

from .conftest import CONVERSATION, Browser, Chat

FEED = f"/console/feed?conversation_id={CONVERSATION}"


def ids(messages: list[dict[str, Any]]) -> list[int | None]:
    return [message["event"].get("id") for message in messages]


async def test_a_feed_begins_with_the_log_and_goes_on_with_what_happens(chat: Chat, browser: Browser) -> None:
    await chat.say("one")
    stream = browser.open(FEED)
    await stream.until(2)
    await chat.say("two", "three")
    messages = await stream.until(4)
    assert ids(messages) == [1, 2, 3, 4]
    assert [message["event"]["body"].get("text") for message in messages] == [None, "one", "two", "three"]


async def test_a_message_says_where_its_event_went(chat: Chat, browser: Browser) -> None:
    stream = browser.open(FEED)
    await stream.until(1)
    await chat.say("hello")
    text = (await stream.until(2))[-1]
    assert text["sinks"] == ["history", "sessions", "webhook"]
    assert text["readers"] == 1
    assert text["place"] == "2"


async def test_a_signal_passes_without_a_place(chat: Chat, browser: Browser) -> None:
    stream = browser.open(FEED)
    await stream.until(1)
    await chat.post("text:typing:on", {"activity": 1})
    signal = (await stream.until(2))[-1]
    assert signal["event"]["type"] == "text:typing:on"
    assert signal["place"] is None
    assert "history" not in signal["sinks"]


async def test_a_feed_goes_on_after_the_last_event_that_was_seen(chat: Chat, browser: Browser) -> None:
    await chat.say("one", "two", "three")
    stream = browser.open(FEED, last_event_id="2")
    assert ids(await stream.until(2)) == [3, 4]
    assert ids(await browser.open(f"{FEED}&after=3").until(1)) == [4]


async def test_events_that_come_while_the_log_is_read_are_told_once(chat: Chat, browser: Browser) -> None:
    writing = asyncio.create_task(chat.say(*map(str, range(60))))
    streams = []
    while not writing.done():
        streams.append(browser.open(FEED))
        await streams[-1].until(1)
        await asyncio.sleep(0)
        if len(streams) == 10:
            break
    await writing
    for stream in streams:
        assert ids(await stream.until(61)) == list(range(1, 62))


async def test_a_long_log_begins_near_its_end(chat: Chat, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "HISTORY", 5)
    monkeypatch.setattr(feed_module, "PAGE", 2)
    await chat.say(*map(str, range(20)))
    stream = browser.open(FEED)
    assert ids(await stream.until(5)) == [17, 18, 19, 20, 21]


async def test_a_log_of_large_events_is_told_whole(
    chat: Chat, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("legato.store.events.MAX_PAGE_BYTES", 1_000)
    await chat.say(*("x" * 400 for _ in range(20)))
    assert ids(await browser.open(FEED).until(21)) == list(range(1, 22))


async def test_another_conversation_is_not_heard(chat: Chat, browser: Browser) -> None:
    stream = browser.open(FEED)
    await stream.until(1)
    other = Chat(chat.log, "CON-00000000-0000-4000-8000-00000000000a", "MEM-00000000-0000-4000-8000-00000000000a")
    await other.begin()
    await other.say("elsewhere")
    await chat.say("here")
    assert [message["event"]["body"].get("text") for message in await stream.until(2)] == [None, "here"]


async def test_another_applications_conversation_is_not_found(chat: Chat, browser: Browser) -> None:
    theirs = "CON-00000000-0000-4000-8000-00000000000b"
    by = Caller("00000000-0000-4000-8000-0000000000ff", system=True)
    await chat.log.submit(CreateConversation(conversation_id=theirs, by=by, name="theirs"))
    answer = await browser.get(f"/console/feed?conversation_id={theirs}")
    assert (answer.status, answer.json["code"]) == (404, "conversation:error:not-found")


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "٣"])
async def test_a_place_that_is_no_id_is_refused(browser: Browser, after: str) -> None:
    assert (await browser.get(f"{FEED}&after={after}")).status == 400


async def test_a_reader_that_falls_behind_is_cut_and_can_come_back(
    chat: Chat, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_WAITING", 3)
    reader = feed_module.Reader()
    heard: list[Any] = []
    chat.log.tap(heard.extend)
    await chat.say("one", "two", "three", "four")
    for delivery in heard:
        reader.offer(delivery)
    assert reader.is_cut
    assert await reader.take() == []
    assert ids(await browser.open(FEED, last_event_id="1").until(4)) == [2, 3, 4, 5]


async def test_too_many_readers_are_refused(chat: Chat, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_READERS", 2)
    streams = [browser.open(FEED) for _ in range(2)]
    for stream in streams:
        await stream.until(1)
    assert (await browser.get(FEED)).status == 429
    await streams[0].leave()
    await browser.open(FEED).until(1)


async def test_closing_the_console_ends_every_feed(browser: Browser) -> None:
    streams = [browser.open(FEED) for _ in range(3)]
    for stream in streams:
        await stream.until(1)
    browser.console.close()
    for stream in streams:
        await stream.over()


async def test_silence_is_broken_by_a_comment(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legato.console.page.HEARTBEAT_S", 0.01)
    stream = browser.open(FEED)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while b": still here\n\n" not in stream.text:
            await asyncio.sleep(0)
    assert ids(await stream.until(1)) == [1]
