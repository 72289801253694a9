"""Leasing: what is due is found, made this node's own in one commit for all endpoints, and read for whoever sends it.

An endpoint is looked at when something has happened in its streams, when a wait of it is over, and, with all others,
every few seconds: what a dead node left behind, and what was missed, is found then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from legato.events.moment import Clock
from legato.store.endpoints import Endpoint, new_endpoints, read_endpoints_of
from legato.store.leases import Lease, Page, Progress, due_endpoints, first_pages, lease_lanes
from legato.webhooks.channel import Channel
from legato.webhooks.ledger import LEASE_SECONDS, Reading, Writing
from legato.webhooks.policy import LANES_AT_ONCE, Policy

log = logging.getLogger(__name__)

# Requests under way at a time, to all endpoints: a few kilobytes each.
MAX_WORKING: Final = 512
# Events read at a time; also how soon a lane notices that its endpoint was paused by another node.
PAGE_EVENTS: Final = 50
# Lanes whose first pages are read at a time: the first of many need not wait until the last one is read.
PAGES_AT_ONCE: Final = 32
# Between looks for what fell due unnoticed: retries from before a restart, and lanes that a dead node left.
LOOK_SECONDS: Final = 2.0
# Timers of libuv count whole milliseconds and ring up to one of them early: what is not due yet then waits for a look.
EARLY_SECONDS: Final = 0.002
# Endpoints that are remembered between two of their events: a kilobyte each. Those that fail are remembered anyway.
MAX_CHANNELS: Final = 10_000
# Between looks for endpoints that were removed while nothing was to be sent to them, which nobody here is told of.
FORGET_SECONDS: Final = 3_600.0
# Clocks of nodes differ: endpoints made so long before the last look are looked at again.
OVERLAP_SECONDS: Final = 30.0


class Leasing:
    """Finds what is due and hands it to ``begin``, each lane with the first page of what it has."""

    def __init__(
        self,
        *,
        node: str,
        read: Reading,
        write: Writing,
        clock: Clock,
        policy: Policy,
        begin: Callable[[Channel, Lease, Page | None], None],
    ) -> None:
        """``node`` names this process in leases."""
        self._node = node
        self._read = read
        self._write = write
        self._clock = clock
        self._policy = policy
        self._begin = begin
        self._channels: dict[str, Channel] = {}
        self._known: set[str] = set()  # endpoints, as far as this node has seen
        self._seen_until = 0.0
        self._asked: dict[str, None] = {}  # in the order of asking: who found no place is first the next time
        self._changed: set[str] = set()  # since what was leased last was read
        self._is_all_in_doubt = False  # the same
        self._bell = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self.turn = asyncio.Lock()  # held while lanes are made ours
        self.working = 0  # lanes that are

    @property
    def remembered(self) -> set[str]:
        """The ids of endpoints that this node keeps something of."""
        return self._known | self._channels.keys()

    def start(self) -> None:
        """Begins to look."""
        self._loop = asyncio.create_task(self._run(), name="webhooks")

    async def close(self) -> None:
        """Leases no more."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    def forget_all(self) -> None:
        """No lane is this node's any more. Only while ``turn`` is held."""
        self._channels.clear()
        self.working = 0

    def heard(self, ids: set[str]) -> None:
        """Something has happened in these streams: applications' and conversations' ids, most of them no endpoints."""
        mine = ids & self._known
        for endpoint_id in tuple(mine):
            channel = self._channels.get(endpoint_id)
            if channel is not None:
                channel.has_news = True
                if channel.is_at_work_on_all:
                    mine.discard(endpoint_id)  # whoever works on it reads on, and its release makes up for the rest
        if mine:
            self.wake(mine)

    def wake(self, endpoint_ids: Iterable[str]) -> None:
        """Something may be due for these endpoints."""
        self._asked.update(dict.fromkeys(endpoint_ids))
        self._bell.set()

    def wake_at(self, endpoint_id: str, when: float) -> None:
        """What is due soon is not left to the next look, which finds all the rest."""
        delay = max(0.0, when - self._clock.now())
        if delay <= LOOK_SECONDS:
            asyncio.get_running_loop().call_later(delay + EARLY_SECONDS, self.wake, (endpoint_id,))

    def changed(self, endpoint_id: str) -> None:
        """An endpoint was made, changed, paused, resumed or removed."""
        self._known.add(endpoint_id)
        self._changed.add(endpoint_id)
        self._doubt(endpoint_id)
        self.wake((endpoint_id,))

    def doubt_all(self, application_id: str | None = None) -> None:
        """Nobody can tell what was changed, of one application or of all. What is due is found by the next look."""
        self._is_all_in_doubt = True
        for endpoint_id, channel in tuple(self._channels.items()):
            if application_id in (None, channel.endpoint.application_id):
                self._doubt(endpoint_id)

    def _doubt(self, endpoint_id: str) -> None:
        channel = self._channels.get(endpoint_id)
        if channel is None:
            return
        channel.doubt()
        if not channel.working:
            del self._channels[endpoint_id]

    def saved(self, progress: Iterable[Progress], left: Collection[str]) -> None:
        """Lanes whose release is written down are free to be leased again; ``left`` are endpoints with due ones."""
        again, is_freed = set(left), False
        for each in progress:
            channel = self._channels.get(each.endpoint_id) if each.release else None
            if channel is None or each.stream not in channel.working:
                continue
            is_freed = True
            channel.working.discard(each.stream)
            self.working -= 1
            if channel.has_news:
                again.add(each.endpoint_id)
            if channel.is_idle and len(self._channels) > MAX_CHANNELS:
                del self._channels[each.endpoint_id]
        if again or (is_freed and self._asked):
            self.wake(again)

    async def _run(self) -> None:
        looked_at, forgot_at = 0.0, asyncio.get_running_loop().time()
        while True:
            try:
                now = asyncio.get_running_loop().time()
                if now - forgot_at >= FORGET_SECONDS:
                    forgot_at = now
                    await self.forget_removed()
                if now - looked_at >= LOOK_SECONDS:
                    looked_at = now
                    await self._look()
                async with self.turn:
                    await self._lease()
            except Exception:  # the database does not answer, or the log is full: the next look makes up for it
                log.exception("webhook lanes could not be leased and will be tried again")
                await asyncio.sleep(LOOK_SECONDS)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._bell.wait()
            except TimeoutError:
                continue
            self._bell.clear()

    async def forget_removed(self) -> None:
        """Nothing is kept of endpoints that are no more, once nothing is being sent to them."""
        before = self.remembered  # what is made while the others are read stays
        for endpoint_id in before.difference(await self._read(partial(new_endpoints, since=0.0))):
            self._known.discard(endpoint_id)
            channel = self._channels.get(endpoint_id)
            if channel is not None and not channel.working:
                del self._channels[endpoint_id]

    async def _look(self) -> None:
        """What fell due unnoticed, and endpoints that are new."""
        now, seen_until = self._clock.now(), self._seen_until
        waiting = {key: channel.readings for key, channel in self._channels.items() if now < channel.endpoint.due_at}

        def read(connection: Connection) -> tuple[list[str], list[str], list[Endpoint]]:
            due = due_endpoints(connection, now)
            sooner = read_endpoints_of(connection, waiting.keys() & set(due))
            return due, new_endpoints(connection, seen_until - OVERLAP_SECONDS), list(sooner)

        due, new, sooner = await self._read(read)
        for endpoint in sooner:  # another node may have been more fortunate than this one, which waits
            channel = self._channels.get(endpoint.id)
            if channel is not None and channel.readings == waiting[endpoint.id]:
                channel.read_again(endpoint)
        self._seen_until = now
        self._known.update(new)
        self._asked.update(dict.fromkeys(due))

    async def _lease(self) -> None:
        """Leases what is due for those who were asked for, and has it worked on."""
        now = self._clock.now()
        asked, self._asked = self._asked, {}
        wanted = self._wanted(asked, now)
        if not wanted:
            return
        self._changed.clear()
        self._is_all_in_doubt = False
        try:
            found = await self._write(partial(_lease, wanted=wanted, node=self._node, now=now))
        except BaseException:
            self._asked = asked | self._asked
            raise
        for endpoint_id in wanted.keys() - found.keys():
            self._known.discard(endpoint_id)
            gone = self._channels.pop(endpoint_id, None)
            if gone is not None:
                gone.doubt()  # its runners see that it is gone, and nobody else can tell them any more
                self.working -= len(gone.working)
        leased: list[tuple[Channel, Lease]] = []
        for endpoint, leases in found.values():
            channel = self._channels.setdefault(endpoint.id, Channel(endpoint, self._policy))
            channel.applied = channel.readings = channel.readings + 1
            channel.read_again(endpoint)
            channel.is_stale = self._is_all_in_doubt or endpoint.id in self._changed
            channel.has_news = False
            # A lease of ours may have run out while we work on the lane: it is renewed now, and that is all.
            fresh = [lease for lease in leases if lease.stream not in channel.working]
            channel.working.update(lease.stream for lease in fresh)
            self.working += len(fresh)
            leased.extend((channel, lease) for lease in fresh)
            if channel.is_idle and len(self._channels) > MAX_CHANNELS:
                del self._channels[endpoint.id]
        for start in range(0, len(leased), PAGES_AT_ONCE):
            await self._begin_some(leased[start : start + PAGES_AT_ONCE])

    def _wanted(self, asked: Iterable[str], now: float) -> dict[str, int]:
        """How many lanes there is room for, by endpoint. Who finds none of the node's is asked for again."""
        free, wanted = MAX_WORKING - self.working, {}
        for endpoint_id in asked:
            channel = self._channels.get(endpoint_id)
            room = LANES_AT_ONCE if channel is None else channel.room(now)
            if room and free <= 0:
                self._asked[endpoint_id] = None  # as soon as somebody is done
            elif room:
                wanted[endpoint_id] = min(room, free)
                free -= wanted[endpoint_id]
        return wanted

    async def _begin_some(self, leased: Sequence[tuple[Channel, Lease]]) -> None:
        try:
            pages: Sequence[Page | None] = await self._read(
                partial(first_pages, leases=[lease for _, lease in leased], limit=PAGE_EVENTS)
            )
        except Exception:  # they are ours, so they are worked on: who cannot read either writes that down
            log.exception("webhook lanes could not be read together")
            pages = [None] * len(leased)
        for (channel, lease), page in zip(leased, pages, strict=True):
            self._begin(channel, lease, page)


def _lease(
    connection: Connection, *, wanted: dict[str, int], node: str, now: float
) -> dict[str, tuple[Endpoint, list[Lease]]]:
    """Those of ``wanted`` that are endpoints, each with the lanes that are ours now."""
    found: dict[str, tuple[Endpoint, list[Lease]]] = {}
    rooms: dict[str, int] = {}
    for endpoint in read_endpoints_of(connection, wanted):
        found[endpoint.id] = (endpoint, [])
        if endpoint.state == "active" and endpoint.due_at <= now:
            rooms[endpoint.id] = min(wanted[endpoint.id], 1) if endpoint.failures else wanted[endpoint.id]
    for lease in lease_lanes(connection, rooms, node, now, now + LEASE_SECONDS):
        found[lease.endpoint_id][1].append(lease)
    return found
