"""Listeners: whoever asks hears an application's events as an endpoint of it would, while they happen.

::

    {"secret":"whsec_…"}                                                    first: what the requests are signed with
    {"webhook_id":"CON-…_17","type":"text","headers":{…},"body":"{…}"}      a request, ready to be posted
                                                                            an empty line: still here
    {"end":"the server is stopping"}                                        last: why there are no more

Nothing is kept for a listener and nothing is sent twice: what happens while nobody listens is not told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

import msgspec

from legato.events.catalogue import EventType
from legato.events.envelope import Event
from legato.events.ids import IdSource
from legato.events.moment import Clock
from legato.events.refusal import Overloaded
from legato.store.endpoints import Endpoint
from legato.store.lanes import webhook_id
from legato.webhooks.sender import Sender
from legato.webhooks.signing import shown_secret

# Events that may wait for one listener, 32 kB each at worst; who is further behind is not listening.
MAX_WAITING: Final = 1_000
# Developers of one application who try something at the same time.
MAX_LISTENERS: Final = 5
# Of all applications: each is a connection and what waits for it.
MAX_IN_ALL: Final = 100
# Shorter than the idle timeout of any proxy in use.
HEARTBEAT_SECONDS: Final = 15.0
# Signed at a time: a few milliseconds of the event loop.
AT_ONCE: Final = 50

TOO_FAR_BEHIND: Final = f"more than {MAX_WAITING} events waited: what is sent here is not read fast enough"
STOPPING: Final = "the server is stopping"
EXPIRED: Final = "the token has expired"
NO_LONGER_ALLOWED: Final = "the application was deleted or has another key"

HEARTBEAT: Final = b"\n"


class Told(Protocol):
    """What the log tells its taps (``legato.log.Delivery``)."""

    @property
    def event(self) -> Event:
        """The event."""
        ...

    @property
    def entry(self) -> EventType:
        """Its type's entry in the catalogue."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether it happened at another node."""
        ...


class Greeting(msgspec.Struct, frozen=True):
    """The first line. ``secret`` is for Standard Webhooks: one for all listeners of an application, and no endpoint's.

    It stays the same as long as the account's signature secret does, so that a program on a laptop can be set up once.
    """

    secret: str


class Heard(msgspec.Struct, frozen=True):
    """A line that is an event: the request that an endpoint would get, its body as text."""

    webhook_id: str
    type: str
    headers: dict[str, str]
    body: str


class Ended(msgspec.Struct, frozen=True):
    """The last line: why it is the last."""

    end: str


class Listener(AsyncIterator[bytes]):
    """One listener: the lines it is told, in commit order, until it is ended. ``aclose`` it when it has gone."""

    def __init__(self, listeners: Listeners, endpoint: Endpoint, until: float) -> None:
        """``endpoint`` is what the requests are made for; nothing is told after ``until``, in seconds since 1970."""
        self.endpoint = endpoint
        self._listeners = listeners
        self._until = until
        self._waiting: deque[tuple[str, Event]] = deque()
        self._bell = asyncio.Event()
        self._greeted = False
        self._why: str | None = None
        self._told_why = False

    def offer(self, known_by: str, event: Event) -> None:
        """An event has happened. One too many ends the listener."""
        if self._why is None and len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self.end(TOO_FAR_BEHIND)
        elif self._why is None:
            self._waiting.append((known_by, event))
            self._bell.set()

    def end(self, why: str) -> None:
        """What waits is told, then ``why``, then nothing."""
        if self._why is None:
            self._why = why
            self._bell.set()

    async def __anext__(self) -> bytes:
        """The next line or lines, at least every HEARTBEAT_SECONDS."""
        if not self._greeted:
            self._greeted = True
            return _line(Greeting(shown_secret(self.endpoint.secret)))
        left = self._until - self._listeners.clock.now()
        if left <= 0:
            self.end(EXPIRED)
        if not self._waiting and self._why is None:
            await self._wait(min(left, HEARTBEAT_SECONDS))
        if self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
            return b"".join(self._listeners.line(self.endpoint, *each) for each in taken)
        if self._why is None:
            return HEARTBEAT
        if self._told_why:
            raise StopAsyncIteration
        self._told_why = True
        return _line(Ended(self._why))

    async def aclose(self) -> None:
        """Nobody reads any more."""
        self._listeners.forget(self)

    async def _wait(self, seconds: float) -> None:
        self._bell.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            pass


class Listeners:
    """Everybody who listens. It is false when nobody does."""

    def __init__(self, sender: Sender, clock: Clock, ids: IdSource) -> None:
        self.clock = clock
        self._sender = sender
        self._ids = ids
        self._of: dict[str, set[Listener]] = {}
        self._closed = False

    def __bool__(self) -> bool:
        return bool(self._of)

    def open(self, application_id: str, until: float) -> Listener:
        """A listener that hears from now on. Raises Overloaded; ``aclose`` it afterwards."""
        mine = self._of.get(application_id, set())
        if self._closed:
            raise Overloaded("The server is stopping.")
        if len(mine) >= MAX_LISTENERS or sum(map(len, self._of.values())) >= MAX_IN_ALL:
            raise Overloaded(f"An application has at most {MAX_LISTENERS} listeners, and a server {MAX_IN_ALL}.")
        endpoint = Endpoint(
            id=application_id,
            application_id=application_id,
            url="",
            secret=self._sender.listening_secret(application_id),
        )
        listener = Listener(self, endpoint, until)
        self._of.setdefault(application_id, set()).add(listener)
        return listener

    def forget(self, listener: Listener) -> None:
        """A listener has gone."""
        application_id = listener.endpoint.application_id
        mine = self._of.get(application_id, set())
        mine.discard(listener)
        if not mine:
            self._of.pop(application_id, None)

    def end(self, application_id: str) -> None:
        """The application's tokens are worth nothing any more."""
        for listener in self._of.get(application_id, ()):
            listener.end(NO_LONGER_ALLOWED)

    def close(self) -> None:
        """Ends every listener, so that a server can stop; there will be no others."""
        self._closed = True
        self.end_all(STOPPING)

    def end_all(self, why: str) -> None:
        """Ends every listener."""
        for mine in self._of.values():
            for listener in mine:
                listener.end(why)

    def hear(self, told: Sequence[Told]) -> None:
        """What the log's tap was told, in commit order."""
        for each in told:
            mine = self._of.get(each.event.application_id)
            known_by = self._known_by(each) if mine else None
            if mine and known_by is not None:
                for listener in mine:
                    listener.offer(known_by, each.event)

    def line(self, endpoint: Endpoint, known_by: str, event: Event) -> bytes:
        """The request that would tell of an event, signed for this moment."""
        prepared = self._sender.prepare(endpoint, event, known_by)
        return _line(Heard(known_by, event.type, prepared.headers, prepared.body.decode()))

    def _known_by(self, told: Told) -> str | None:
        """What endpoints know the event by, where that is known without one; None for what no webhook tells."""
        event, entry = told.event, told.entry
        if event.id is not None and event.conversation_id is not None:
            return webhook_id(event.conversation_id, event.id)
        if event.conversation_id is None:
            return f"LSN-{self._ids.uuid()}"  # its number is given in the stream of an endpoint
        return f"SIG-{self._ids.uuid()}" if entry.best_effort else None


def _line(value: msgspec.Struct) -> bytes:
    """JSON has no line breaks of its own."""
    return msgspec.json.encode(value) + b"\n"
