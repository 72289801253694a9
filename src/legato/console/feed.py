"""The feed: one conversation's events as Server-Sent Events, those in the log first, then each as it is committed.

::

    id: 17                                 the event's place in the log; signals have none
    data: {"event":{"type":"text",…},"sinks":["history","sessions","webhook"],"readers":2}

    event: deliveries                      how webhooks stand (``legato.console.deliveries``)
    data: {"now":…,"standing":{…},"marks":{…}}

    : still here                           after a while of silence, to notice a reader who has gone

A browser's EventSource comes back by itself with ``Last-Event-ID``, and the feed goes on after that event. Stored
events come each once and in order; signals of the time in between are gone, as they are for every other reader.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from legato.console.deliveries import Deliveries
from legato.events import CATALOGUE, Audience, Event, EventType, Overloaded, Storage
from legato.log import Delivery, Log
from legato.store.events import EventPage, EventQuery, read_events, read_page

# What a page shows of a long conversation when it does not say where to begin.
HISTORY: Final = 1_000
# Events read from the log at a time: a few hundred kilobytes.
PAGE: Final = 500
# Events that may wait for one reader; who is further behind is cut and comes back through the log.
MAX_WAITING: Final = 2_000
# Readers of one server: a developer's tabs.
MAX_READERS: Final = 32
# Shorter than the idle timeout of any proxy in use.
HEARTBEAT_S: Final = 15.0


class Entry(msgspec.Struct, frozen=True):
    """One event as the timeline shows it. ``readers`` counts the users whose sessions heard it, when that is known."""

    event: Event
    sinks: tuple[str, ...]
    readers: int | None = None


def sinks_of(entry: EventType) -> tuple[str, ...]:
    """Where events of a type go, as the catalogue has it."""
    places = (
        ("history", entry.storage is Storage.LOG),
        ("sessions", entry.audience is not Audience.NONE),
        ("webhook", entry.webhook),
    )
    return tuple(name for name, is_reached in places if is_reached)


class Reader:
    """One open feed: what waits for it, and whether it is to end."""

    def __init__(self) -> None:
        self._waiting: deque[Delivery | bytes] = deque()
        self._bell = asyncio.Event()
        self.is_cut = False

    def offer(self, delivery: Delivery | bytes) -> None:
        """Adds an event, or the stream's text itself; a reader with too many waiting is cut instead."""
        if len(self._waiting) >= MAX_WAITING:
            self.cut()
        elif not self.is_cut:
            self._waiting.append(delivery)
            self._bell.set()

    def cut(self) -> None:
        """Ends the feed; what waits is dropped."""
        self.is_cut = True
        self._waiting.clear()
        self._bell.set()

    async def take(self) -> list[Delivery | bytes]:
        """What waits, at least one; nothing once the reader is cut."""
        await self._bell.wait()
        self._bell.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


class Feed:
    """Every open feed of this server. It taps the log once, for all of them."""

    def __init__(self, log: Log, deliveries: Deliveries) -> None:
        self._log = log
        self._deliveries = deliveries
        self._readers: dict[Reader, str] = {}
        log.tap(self._hear)

    def open(self, conversation_id: str) -> Reader:
        """A new reader of a conversation, which hears from now on. Raises Overloaded; ``close`` it afterwards."""
        if len(self._readers) >= MAX_READERS:
            raise Overloaded(f"There are {MAX_READERS} open feeds already; close a tab.")
        reader = Reader()
        self._readers[reader] = conversation_id
        return reader

    def close(self, reader: Reader) -> None:
        """Forgets a reader."""
        self._readers.pop(reader, None)

    def end(self) -> None:
        """Ends every open feed, so that a server can stop."""
        for reader in self._readers:
            reader.cut()

    async def messages(self, reader: Reader, after: int | None) -> AsyncIterator[bytes]:
        """The stream's text: what the log has after event ``after``, then what comes, until the reader is cut.

        Without ``after`` it begins ``HISTORY`` events before the end.
        """
        conversation_id = self._readers[reader]
        last = await self._beginning(conversation_id) if after is None else after
        # Who comes back is told what has meanwhile become of the events it has.
        known = () if after is None else range(max(after - HISTORY, 0) + 1, after + 1)
        yield b"retry: 1000\n\n" + (await self._deliveries.news(conversation_id, known)).text
        while True:
            page, has_more = await self._page(conversation_id, last)
            if page:
                last = page[-1].event.id or last
                yield b"".join(_message(stored.event, CATALOGUE[stored.event.type], None) for stored in page)
                news = await self._deliveries.news(conversation_id, [one.event.id for one in page if one.event.id])
                if news.marks:
                    yield news.text
            if not has_more:
                break
        # The reader was opened before the log was read: what stands in both is told apart by its id.
        while taken := await reader.take():
            fresh = b"".join(_text(each, last) for each in taken)
            if fresh:
                yield fresh

    async def _beginning(self, conversation_id: str) -> int:
        query = EventQuery(conversation_id, 1, descending=True)
        newest = await self._log.read(lambda connection: read_events(connection, query))
        return max((newest[0].event.id or 0) - HISTORY, 0) if newest else 0

    async def _page(self, conversation_id: str, after: int) -> EventPage:
        query = EventQuery(conversation_id, PAGE, start_id=after + 1)
        return await self._log.read(lambda connection: read_page(connection, query))

    def _hear(self, deliveries: Sequence[Delivery]) -> None:
        for reader, conversation_id in self._readers.items():
            for delivery in deliveries:
                if delivery.event.conversation_id == conversation_id:
                    reader.offer(delivery)


def _text(taken: Delivery | bytes, last: int) -> bytes:
    if isinstance(taken, bytes):
        return taken
    if taken.event.id is not None and taken.event.id <= last:
        return b""
    return _message(taken.event, taken.entry, len(taken.audience))


def _message(event: Event, entry: EventType, readers: int | None) -> bytes:
    """One Server-Sent Event (WHATWG HTML 9.2.6); JSON has no line breaks of its own."""
    place = b"" if event.id is None else b"id: %d\n" % event.id
    return place + b"data: " + msgspec.json.encode(Entry(event, sinks_of(entry), readers)) + b"\n\n"
