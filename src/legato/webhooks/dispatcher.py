"""Deliveries: lanes that are due are leased, worked on in order, and their cursors written down in groups.

::

    commit moves lanes ─▶ heard ─┐                       ┌─▶ runner: page ▶ send ▶ judge ▶ next ─┐
    timers of retries ───────────┼─▶ lease (one commit) ─┼─▶ runner                              ├─▶ ledger (one commit)
    a look every few seconds ────┘                       └─▶ runner                              ┘

Nothing here is the truth: lanes, leases and health stand in the database, and another node, or this one after a crash,
goes on from there. An event may then be sent twice, under the same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from legato.events.envelope import Event, decode_event
from legato.events.moment import Clock
from legato.store.attempts import DeadLetter
from legato.store.endpoints import Endpoint, new_endpoints, read_endpoint
from legato.store.lanes import is_log
from legato.store.leases import Lease, Progress, Waiting, due_endpoints, lease_lanes, release_leases, waiting_events
from legato.webhooks.channel import Channel
from legato.webhooks.ledger import LEASE_SECONDS, Ledger, Reading, Writing
from legato.webhooks.policy import LANES_AT_ONCE, Outcome, Policy, Verdict
from legato.webhooks.sender import Sender, attempt_of

log = logging.getLogger(__name__)

# Requests under way at a time, to all endpoints: a few kilobytes each.
MAX_WORKING: Final = 512
# Events read at a time; also how soon a lane notices that its endpoint was paused by another node.
PAGE_EVENTS: Final = 50
# A lane that goes on without end lets the others of its endpoint have their turn.
TURN_EVENTS: Final = 500
# Between looks for what fell due unnoticed: retries from before a restart, and lanes that a dead node left.
LOOK_SECONDS: Final = 2.0
# Endpoints that are remembered between two of their events: a kilobyte each. Those that fail are remembered anyway.
MAX_CHANNELS: Final = 10_000
# Clocks of nodes differ: endpoints made so long before the last look are looked at again.
OVERLAP_SECONDS: Final = 30.0
# How long requests that are under way may take when the server stops.
STOP_SECONDS: Final = 5.0


class Dispatcher:
    """Sends what is due. One per node; everything here runs in the event loop."""

    def __init__(
        self,
        *,
        node: str,
        read: Reading,
        write: Writing,
        sender: Sender,
        clock: Clock,
        policy: Policy | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``node`` names this process in leases. ``chance`` spreads retries, from 0 to 1."""
        self._node = node
        self._read = read
        self._write = write
        self._sender = sender
        self._clock = clock
        self._policy = policy or Policy()
        self._chance = chance
        self._ledger = Ledger(node, write, clock)
        self._ledger.on_saved = self._saved
        self._channels: dict[str, Channel] = {}
        self._known: set[str] = set()  # endpoints, as far as this node has seen
        self._seen_until = 0.0
        self._asked: set[str] = set()
        self._bell = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._runners: set[asyncio.Task[None]] = set()
        self._closing = False
        self._leasing = asyncio.Lock()
        self.delivered = self.failed = self.dead = 0  # events and attempts, since the start
        self._listeners: list[Callable[[Sequence[Progress]], None]] = []

    @property
    def working(self) -> int:
        """How many lanes are worked on."""
        return sum(len(channel.working) for channel in self._channels.values())

    def watch(self, listener: Callable[[Sequence[Progress]], None]) -> None:
        """From now on ``listener`` is called with what has been written down, after each commit of it."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Begins to send. Leases of nodes that are no more are leftovers; those of others are theirs."""
        await self._write(release_leases)
        self._ledger.start()
        self._loop = asyncio.create_task(self._run(), name="webhooks")

    async def close(self) -> None:
        """Finishes what is under way, as far as it answers soon, and writes down how far everything came."""
        self._closing = True
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        if self._runners:
            _, late = await asyncio.wait(self._runners, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._ledger.close()
        try:
            await self._write(partial(release_leases, node=self._node))
        except Exception as error:  # the log takes no more, or the database is away
            log.info("the leases of webhook lanes run out by themselves (%s)", type(error).__name__)

    async def begin_anew(self) -> None:
        """This node was taken for dead: its lanes are free, and it works on none until it has leased them again."""
        async with self._leasing:
            runners = list(self._runners)
            for runner in runners:
                runner.cancel()
            await asyncio.gather(*runners, return_exceptions=True)
            await self._ledger.forget_progress()
            self._channels.clear()

    def heard(self, ids: set[str]) -> None:
        """Something has happened in these streams: applications' and conversations' ids, most of them no endpoints."""
        mine = ids & self._known
        if mine:
            self.wake(mine)

    def wake(self, endpoint_ids: Iterable[str]) -> None:
        """Something may be due for these endpoints."""
        self._asked.update(endpoint_ids)
        self._bell.set()

    def changed(self, endpoint_id: str) -> None:
        """An endpoint was made, changed, paused, resumed or removed."""
        self._known.add(endpoint_id)
        channel = self._channels.get(endpoint_id)
        if channel is not None:
            channel.is_stale = True
            if not channel.working:
                del self._channels[endpoint_id]
        self.wake((endpoint_id,))

    # -- finding work -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        looked_at = 0.0
        while True:
            try:
                now = asyncio.get_running_loop().time()
                if now - looked_at >= LOOK_SECONDS:
                    looked_at = now
                    await self._look()
                async with self._leasing:
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

    async def _look(self) -> None:
        """What fell due unnoticed, and endpoints that are new."""
        now, seen_until = self._clock.now(), self._seen_until

        def read(connection: Connection) -> tuple[list[str], list[str]]:
            return due_endpoints(connection, now), new_endpoints(connection, seen_until - OVERLAP_SECONDS)

        due, new = await self._read(read)
        self._seen_until = now
        self._known.update(new)
        self._asked.update(due)

    async def _lease(self) -> None:
        """Leases what is due for those who were asked for, and sets runners to work."""
        now = self._clock.now()
        asked, self._asked = self._asked, set()
        free = MAX_WORKING - self.working
        wanted: dict[str, int] = {}
        for endpoint_id in asked:
            channel = self._channels.get(endpoint_id)
            room = LANES_AT_ONCE if channel is None else channel.room(now)
            if room and free <= 0:
                self._asked.add(endpoint_id)  # as soon as somebody is done
            elif room:
                wanted[endpoint_id] = min(room, free)
                free -= wanted[endpoint_id]
        if not wanted:
            return
        try:
            found = await self._write(partial(_lease, wanted=wanted, node=self._node, now=now))
        except BaseException:
            self._asked |= asked
            raise
        for endpoint_id in wanted.keys() - found.keys():
            self._known.discard(endpoint_id)
            self._channels.pop(endpoint_id, None)
        for endpoint, leases in found.values():
            channel = self._channels.setdefault(endpoint.id, Channel(endpoint, self._policy))
            channel.read_again(endpoint)
            for lease in leases:
                channel.working.add(lease.stream)
                self._start(channel, lease)

    def _start(self, channel: Channel, lease: Lease) -> None:
        task = asyncio.create_task(self._work(channel, lease), name=f"webhook lane {lease.stream}")
        self._runners.add(task)
        task.add_done_callback(self._runners.discard)

    def _saved(self, progress: Sequence[Progress]) -> None:
        """Lanes whose release is written down are free to be leased again."""
        freed = set()
        for each in progress:
            if each.release:
                channel = self._channels.get(each.endpoint_id)
                if channel is not None:
                    channel.working.discard(each.stream)
                    if channel.is_idle and len(self._channels) > MAX_CHANNELS:
                        del self._channels[each.endpoint_id]
                freed.add(each.endpoint_id)
        if freed:
            self.wake(freed)
        for listener in self._listeners:
            listener(progress)

    # -- one lane -----------------------------------------------------------------------------------------------------

    async def _work(self, channel: Channel, lease: Lease) -> None:
        """Sends what the lane has, in order, until it is through, has had its turn, or is stopped by a failure."""
        place = _Place(lease)
        try:
            while place.sent < TURN_EVENTS and not self._closing:
                if not await self._send_page(channel, place):
                    break
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("a webhook lane of %s was interrupted", lease.endpoint_id)
            place.due_at = self._clock.now() + self._policy.first_wait
            self._wake_at(channel, place.due_at)
        finally:
            self._ledger.move(place.progress(release=True))

    async def _send_page(self, channel: Channel, place: _Place) -> bool:
        """The next events of the lane; False when it has to wait."""
        lease = place.lease

        def read(connection: Connection) -> tuple[Endpoint | None, int, list[Waiting]]:
            return read_endpoint(connection, lease.endpoint_id), *waiting_events(
                connection, lease, place.cursor, PAGE_EVENTS
            )

        endpoint, head, page = await self._read(read)
        if endpoint is None:
            return False
        channel.read_again(endpoint)
        if not page:
            place.cursor = max(place.cursor, head)
            return False
        for waiting in page:
            if channel.is_stale:
                return True  # it is to be read again first
            if self._closing or channel.endpoint.state != "active":
                return False
            event = decode_event(waiting.payload) if waiting.payload else None
            if event is not None and channel.endpoint.wants(event.type):
                await self._ledger.room()
                if not await self._send_one(channel, place, waiting, event):
                    return False
            place.done(waiting.id)
            self._ledger.move(place.progress())
        return True

    async def _send_one(self, channel: Channel, place: _Place, waiting: Waiting, event: Event) -> bool:
        """One attempt; whether the lane goes on to the next event."""
        endpoint, begun = channel.endpoint, self._clock.now()
        sent = await self._sender.send(endpoint, event, waiting.webhook_id)
        place.sent += 1
        now, outcome = self._clock.now(), sent.outcome
        self._ledger.attempted(attempt_of(endpoint.id, waiting.webhook_id, place.lease.stream, event.type, begun, sent))
        failing_since = place.failing_since or begun
        verdict = self._policy.judge(
            outcome,
            attempts=place.attempts + 1,
            failing_since=failing_since,
            succeeded_at=channel.endpoint.succeeded_at,
            now=now,
        )
        if verdict is Verdict.DELIVERED:
            self.delivered += 1
            self._tell(channel, channel.succeeded(now))
            return True
        self.failed += 1
        if verdict is Verdict.DEAD:
            self.dead += 1
            self._ledger.dead(_letter(endpoint, place, waiting, event, outcome, now))
            return True
        if verdict is Verdict.GONE:
            self._tell(channel, channel.gone())
            log.warning("the endpoint %s is disabled: it answered 410 Gone", endpoint.id)
            return False
        waits = verdict is Verdict.ENDPOINT_WAITS
        self._tell(channel, channel.failed(outcome, begun, now, self._chance(), waits=waits))
        if channel.endpoint.state == "disabled":
            log.warning("the endpoint %s is disabled: %s", endpoint.id, channel.endpoint.why)
        if not waits:
            place.attempts, place.failing_since = place.attempts + 1, failing_since
            place.due_at = now + self._policy.wait(place.attempts, self._chance())
        self._wake_at(channel, max(place.due_at or 0.0, channel.endpoint.due_at))
        return False

    def _tell(self, channel: Channel, health: dict[str, object]) -> None:
        if health:
            self._ledger.change(channel.endpoint.id, **health)

    def _wake_at(self, channel: Channel, when: float) -> None:
        """What is due soon is not left to the next look, which finds all the rest."""
        delay = max(0.0, when - self._clock.now())
        if delay <= LOOK_SECONDS:
            asyncio.get_running_loop().call_later(delay, self.wake, (channel.endpoint.id,))


class _Place:
    """Where a runner is on its lane."""

    __slots__ = ("attempts", "cursor", "due_at", "failing_since", "lease", "sent")

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.cursor = lease.cursor
        self.attempts = lease.attempts
        self.failing_since = lease.failing_since
        self.due_at: float | None = None
        self.sent = 0

    def done(self, event_id: int) -> None:
        """The event is delivered, given up, or not wanted."""
        self.cursor = event_id
        self.attempts = 0
        self.failing_since = None

    def progress(self, *, release: bool = False) -> Progress:
        """For the ledger."""
        return Progress(
            endpoint_id=self.lease.endpoint_id,
            stream=self.lease.stream,
            cursor=self.cursor,
            attempts=self.attempts,
            failing_since=self.failing_since,
            due_at=self.due_at,
            release=release,
        )


def _lease(
    connection: Connection, *, wanted: dict[str, int], node: str, now: float
) -> dict[str, tuple[Endpoint, list[Lease]]]:
    """Those of ``wanted`` that are endpoints, each with the lanes that are ours now."""
    found: dict[str, tuple[Endpoint, list[Lease]]] = {}
    for endpoint_id, room in sorted(wanted.items()):
        endpoint = read_endpoint(connection, endpoint_id)
        if endpoint is None:
            continue
        found[endpoint_id] = (endpoint, [])
        if endpoint.state == "active" and endpoint.due_at <= now:
            limit = min(room, 1) if endpoint.failures else room
            found[endpoint_id][1].extend(lease_lanes(connection, endpoint_id, node, now, now + LEASE_SECONDS, limit))
    return found


def _letter(
    endpoint: Endpoint, place: _Place, waiting: Waiting, event: Event, outcome: Outcome, now: float
) -> DeadLetter:
    return DeadLetter(
        endpoint_id=endpoint.id,
        webhook_id=waiting.webhook_id,
        stream=place.lease.stream,
        event_type=event.type,
        at=now,
        reason=outcome.told,
        attempts=place.attempts + 1,
        payload=None if is_log(waiting.webhook_id) else waiting.payload,
        status=outcome.status,
    )
