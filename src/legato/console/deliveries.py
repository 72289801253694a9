"""How deliveries stand, beside the feed's events, and what the page may do about them.

::

    event: deliveries
    data: {"now":1767340800.5,"standing":{"url":"http://…","cursor":16,"head":17,…},"marks":{"17":{"state":"retrying",…}}}

Everything is read from the database, while a page is open: when the dispatcher has written down how far it came, at
most a few times a second, and otherwise once a second, because somebody else may have changed an endpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from math import inf
from typing import Final, Protocol

import msgspec
from sqlalchemy import Connection

from legato.console.receiver import Behaviour, Received, Receiver
from legato.events import NotFound
from legato.events.ids import IdSource
from legato.events.moment import iso
from legato.log import Log
from legato.store.attempts import Attempt, read_attempts
from legato.store.deliveries import (
    Mark,
    Place,
    mark_letters_replayed,
    newest_place,
    read_lane,
    read_marks,
    sent_since,
)
from legato.store.endpoints import read_endpoint
from legato.store.lanes import webhook_id
from legato.store.leases import Progress
from legato.store.replays import REPLAY, Again, add_replay, resume_endpoint

# Between two looks at what has moved: the eye sees no more, and a storm of events costs no more.
PACE_SECONDS: Final = 0.2
# Between looks when nothing is known to have moved.
LOOK_SECONDS: Final = 1.0
# Attempts read at a look; a second's worth of a busy server.
MAX_NEWS: Final = 1_000
# Attempts shown of an event; the policy needs a fortnight to make so many.
MAX_SHOWN: Final = 50

_LOGGER = logging.getLogger(__name__)


class Posting(Protocol):
    """``legato.webhooks.Webhooks``, as far as the page needs it."""

    def watch(self, listener: Callable[[Sequence[Progress]], None]) -> None:
        """Calls ``listener`` with what is written down, each time."""
        ...

    def changed(self, endpoint_id: str) -> None:
        """An endpoint was changed, or something is to be sent again."""
        ...


class Standing(msgspec.Struct, frozen=True):
    """The application's endpoint, and its lane of a conversation. ``url`` is None when the application has none.

    ``is_built_in`` says whether it is the page's own receiver, which behaves as in ``behaviour``. ``due_at`` is when
    the next attempt is made, when there is something to wait for.
    """

    behaviour: Behaviour
    url: str | None = None
    is_built_in: bool = False
    state: str = "active"
    why: str | None = None
    failures: int = 0
    head: int = 0
    cursor: int = 0
    attempts: int = 0
    due_at: float | None = None


class News(msgspec.Struct, frozen=True):
    """What a page is told: how things stand, and the marks of the events that something became of."""

    now: float
    standing: Standing
    marks: dict[int, Mark] = {}

    @property
    def text(self) -> bytes:
        """As a named Server-Sent Event: it has no place in the log and leaves ``Last-Event-ID`` alone."""
        return b"event: deliveries\ndata: " + msgspec.json.encode(self) + b"\n\n"


class RequestSeen(msgspec.Struct, frozen=True):
    """A request as the built-in receiver got it."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: str
    signatures: tuple[str, ...]


class AttemptSeen(msgspec.Struct, frozen=True):
    """An attempt, with its request if the built-in receiver has kept that."""

    id: int
    at: str
    seconds: float
    is_replay: bool
    status: int | None
    error: str | None
    answer: str | None
    request: RequestSeen | None


class Deliveries:
    """The deliveries of one application. ``hook`` is the URL of the built-in receiver."""

    def __init__(
        self, log: Log, posting: Posting, receiver: Receiver, ids: IdSource, *, application_id: str, hook: str
    ) -> None:
        self._log = log
        self._posting = posting
        self._receiver = receiver
        self._ids = ids
        self._endpoint_id = application_id  # an application's endpoint is known by whose it is
        self._hook = hook
        self._bells: set[asyncio.Event] = set()
        posting.watch(self._hear)

    # -- for the feed -------------------------------------------------------------------------------------------------

    async def newest(self) -> Place:
        """Where ``follow`` is to begin."""
        return await self._log.read(partial(newest_place, endpoint_id=self._endpoint_id))

    async def news(self, conversation_id: str, event_ids: Collection[int] = ()) -> News:
        """How things stand, and the marks of these events."""
        return await self._log.read(lambda connection: self._news(connection, conversation_id, event_ids))

    async def follow(self, conversation_id: str, place: Place, tell: Callable[[bytes], None]) -> None:
        """Tells what has become of deliveries since ``place``, until it is cancelled."""
        bell = asyncio.Event()
        self._bells.add(bell)
        told: Standing | None = None
        try:
            while True:
                try:
                    place, news = await self._log.read(
                        partial(self._since, conversation_id=conversation_id, place=place)
                    )
                    if news.marks or news.standing != told:
                        tell(news.text)
                        told = news.standing
                except Exception:
                    _LOGGER.exception("deliveries could not be looked at and will be tried again")
                await asyncio.sleep(PACE_SECONDS)
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await bell.wait()
                except TimeoutError:
                    continue
                bell.clear()
        finally:
            self._bells.discard(bell)

    def _hear(self, progress: Sequence[Progress]) -> None:
        if self._bells and any(each.endpoint_id == self._endpoint_id for each in progress):
            self._ring()

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()

    def _since(self, connection: Connection, *, conversation_id: str, place: Place) -> tuple[Place, News]:
        place, moved = sent_since(connection, self._endpoint_id, conversation_id, place, MAX_NEWS)
        return place, self._news(connection, conversation_id, moved)

    def _news(self, connection: Connection, conversation_id: str, event_ids: Collection[int]) -> News:
        now = self._log.clock.now()
        marks = read_marks(connection, self._endpoint_id, conversation_id, event_ids)
        endpoint = read_endpoint(connection, self._endpoint_id)
        if endpoint is None:
            return News(now, Standing(self._receiver.behaviour), marks)
        lane = read_lane(connection, self._endpoint_id, conversation_id)
        due_at = max(endpoint.due_at, lane.due_at or 0.0)
        standing = Standing(
            behaviour=self._receiver.behaviour,
            url=endpoint.url,
            is_built_in=endpoint.url == self._hook,
            state=endpoint.state,
            why=endpoint.why,
            failures=endpoint.failures,
            head=lane.head,
            cursor=lane.cursor,
            attempts=lane.attempts,
            due_at=due_at if due_at > now else None,
        )
        return News(now, standing, marks)

    # -- for the page's requests --------------------------------------------------------------------------------------

    async def attempts(self, conversation_id: str, event_id: int) -> list[AttemptSeen]:
        """Every attempt at an event, the oldest first; of many, the newest."""
        known_by = webhook_id(conversation_id, event_id)
        found = await self._log.read(
            partial(read_attempts, endpoint_id=self._endpoint_id, webhook_id=known_by, limit=MAX_SHOWN)
        )
        received = self._receiver.received(known_by)
        found.sort(key=lambda attempt: attempt.at)
        return [
            _seen(attempt, found[place].at if place < len(found) else inf, received)
            for place, attempt in enumerate(found, 1)
        ]

    async def send_again(self, conversation_id: str, event_id: int) -> None:
        """Sends one event once more, under the id it had. Raises NotFound without an endpoint."""
        stream, known_by, now = (
            f"{REPLAY}{self._ids.uuid()}",
            webhook_id(conversation_id, event_id),
            self._log.clock.now(),
        )

        def work(connection: Connection) -> bool:
            endpoint = read_endpoint(connection, self._endpoint_id)
            if endpoint is None:
                return False
            mark_letters_replayed(connection, endpoint.id, known_by, now)
            add_replay(connection, stream, endpoint.id, endpoint.application_id, [Again(known_by)], now)
            return True

        await self._change(work)

    async def resume(self) -> None:
        """What waits for the endpoint is tried at once, whatever it waits for. Raises NotFound without an endpoint."""
        await self._change(partial(resume_endpoint, endpoint_id=self._endpoint_id, now=self._log.clock.now()))

    def behave(self, behaviour: Behaviour) -> None:
        """From now on the built-in receiver answers so."""
        self._receiver.behaviour = behaviour
        self._ring()

    async def _change(self, work: Callable[[Connection], bool]) -> None:
        if not await self._log.transact(work):
            raise NotFound("webhook:error:not-found", "The application has no endpoint.")
        self._posting.changed(self._endpoint_id)
        self._ring()


def _seen(attempt: Attempt, end: float, received: Sequence[Received]) -> AttemptSeen:
    """``end`` is when the next attempt was made: a lane makes one at a time, so what came until then is of this one."""
    mine = next((each for each in received if attempt.at <= each.at < end), None)
    return AttemptSeen(
        id=attempt.id,
        at=iso(attempt.at),
        seconds=attempt.seconds,
        is_replay=attempt.stream.startswith(REPLAY),
        status=attempt.status,
        error=attempt.error,
        answer=None if attempt.answer is None else attempt.answer.decode(errors="replace"),
        request=None
        if mine is None
        else RequestSeen(mine.line, mine.headers, mine.body.decode(errors="replace"), mine.signatures),
    )
