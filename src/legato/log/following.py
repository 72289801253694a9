"""Following the other nodes: what they commit and signal is told here, in the one order, between two commits."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from legato.bus import Advanced, Appended, Broadcast, Bus, Passed
from legato.events import CATALOGUE
from legato.log.counts import Counts
from legato.log.memory import Memory
from legato.log.news import MisrememberedError, Reading, audience_now, follow
from legato.log.values import Delivery
from legato.store import Committed, Store, StoredEvent
from legato.store.heads import Change, Heads, News, read_heads, read_news

log = logging.getLogger(__name__)

# Signals of other nodes that wait for what came before them to be read.
MAX_PASSING = 1_000
# Commits that others told of and that wait to be taken in. What gives way is read.
MAX_SAID = 100
# Readings that somebody waits for, each of at most NEWS events: who is further behind is answered as far as it goes.
MAX_READINGS = 10


class Following:
    """Where this node is in the log of all nodes, and how it gets further.

    Everything that reads or moves ``known`` runs in the writer's task, one after the other: while a batch is being
    committed nothing is read here, and the turn itself brings what is new.
    """

    def __init__(
        self, store: Store, memory: Memory, bus: Bus, counts: Counts, tell: Callable[[list[Delivery]], None]
    ) -> None:
        self.known = Heads()
        self.has_others = False  # whether other nodes are there, for who knows to say
        # Of other nodes; and of this one what nobody here could tell but the log.
        self.on_changes: Callable[[Sequence[Change]], None] = lambda _changes: None
        self.on_lost: Callable[[], None] = lambda: None
        self.wake = asyncio.Event()  # shared with the writer
        self._store = store
        self._memory = memory
        self._bus = bus
        self._counts = counts
        self._tell = tell
        self._told = 0  # the greatest commit that others say there is
        self._is_asked = False  # to look, whatever others say
        self._said: deque[Appended] = deque(maxlen=MAX_SAID)
        self._passing: deque[Passed] = deque(maxlen=MAX_PASSING)
        self._waiting: list[asyncio.Future[None]] = []  # for the next reading; one for each request

    @property
    def is_due(self) -> bool:
        """Whether there is something to do for ``catch_up``."""
        return self._is_behind or self._may_pass

    @property
    def _may_pass(self) -> bool:
        """Whether what came before the next signal was told."""
        return bool(self._passing) and self._passing[0].commit <= self.known.commit

    @property
    def _is_behind(self) -> bool:
        return self._is_asked or self._told > self.known.commit

    async def start(self) -> None:
        """From here on."""
        self.known = await self._store.glance(read_heads)
        self._bus.start(self._hear)

    async def follow(self) -> None:
        """Returns when everything that other nodes had committed before is in memory and was told to the taps."""
        if not self.has_others:
            return
        heads = await self._store.read(read_heads)
        for _ in range(MAX_READINGS):
            if self.has_reached(heads):
                return
            done = asyncio.get_running_loop().create_future()
            self._waiting.append(done)
            self.look()
            await done

    async def is_overtaken(self) -> bool:
        """Whether other nodes had committed something that was not known here; it is now. For the writer's task."""
        if not self.has_others or self.has_reached(await self._store.glance(read_heads)):
            return False
        self._is_asked = True
        await self.catch_up()
        return True

    def look(self) -> None:
        """There may be something new."""
        self._is_asked = True
        self.wake.set()

    def has_reached(self, heads: Heads) -> bool:
        """Whether that much is known here."""
        return self.known.commit >= heads.commit and self.known.change >= heads.change

    async def take_in_what_was_said(self) -> None:
        """Takes in what other nodes said that they have committed, as far as it goes on from what is known here."""
        while news := self._said_next():  # again: more is said while memory is read
            await self.take_in(news, self._store.glance)

    def _said_next(self) -> News | None:
        known, events = self.known, list[StoredEvent]()
        while self._said:
            said = self._said[0]
            if said.commit > known.commit:
                if said.after != known:
                    break  # something is missing between, and is read
                events += (StoredEvent(event, number) for number, event in enumerate(said.events, known.commit + 1))
                known = Heads(said.commit, known.change)
            self._said.popleft()
        return News(known, events, []) if events else None

    async def catch_up(self) -> None:
        """Finds what other nodes have committed and tells it, then the signals that follow it."""
        try:
            await self.take_in_what_was_said()
            if self._is_behind:
                self._is_asked, self._told = False, 0  # whatever is said from now on may be newer than what is read
                self._counts.looked += 1
                news = await self._store.glance(lambda connection: read_news(connection, self.known))
                await self.take_in(news, self._store.glance)
                self._is_asked |= not news.is_all
            await self._let_pass()
        except Exception:  # the database does not answer: it is looked at again before long
            log.exception("what other nodes have committed could not be read and will be looked for again")
        self.let_go()

    async def take_in(self, news: News, read: Reading) -> None:
        """What was read is known from now on."""
        if news.is_lost:
            log.warning("this node was away for too long: everybody who is connected comes back to resume")
            self._memory.forget()
            self.known = news.heads
            self.on_lost()
            return
        try:
            deliveries = await follow(news, self._memory, read)
        except MisrememberedError as error:
            log.error("what was remembered of %s did not fit its log, and was read again", error)
            deliveries = await follow(news, self._memory, read)
        self.known = news.heads
        self._counts.followed += len(deliveries)
        self._tell(deliveries)
        if news.changes:
            self.on_changes(news.changes)

    def let_go(self) -> None:
        """Whoever waits for a reading looks whether it was enough."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def tell_others(self, deliveries: Sequence[Delivery], committed: Committed, *, is_told: bool) -> None:
        """What was committed here, or passes; ``is_told``: the commit has said itself what its events are."""
        if not self.has_others:
            return
        held, heads = committed
        if heads.change > held.change:
            self._bus.publish(Advanced())
        elif heads.commit > held.commit and not is_told:
            self._bus.publish(Appended(held, tuple(one.event for one in deliveries if one.commit is not None)))
        for one in deliveries:
            if one.commit is None:
                self._bus.publish(Passed(heads.commit, one.event, bool(one.audience), one.session_id))

    def _hear(self, message: Broadcast) -> None:
        """What another node says."""
        self.has_others = True
        self._told = max(self._told, message.commit)
        if isinstance(message, Passed):
            self._passing.append(message)
        elif isinstance(message, Appended):
            self._said.append(message)
        elif message.commit == 0:
            self._is_asked = True
        if self.is_due:
            self.wake.set()

    async def _let_pass(self) -> None:
        while self._may_pass:
            passed = self._passing.popleft()
            audience: tuple[str, ...] = ()
            event, entry = passed.event, CATALOGUE.get(passed.event.type)
            if passed.to_members and event.conversation_id is not None:
                audience = await audience_now(event.conversation_id, self._memory, self._store.glance)
            if entry is not None:
                self._tell([Delivery(event, entry, None, audience, passed.session_id, is_remote=True)])
