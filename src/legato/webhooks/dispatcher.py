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
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from legato.events.moment import Clock
from legato.store.leases import Lease, Page, Progress, release_leases
from legato.webhooks.channel import Channel
from legato.webhooks.leasing import Leasing
from legato.webhooks.ledger import Ledger, Reading, Writing
from legato.webhooks.policy import Policy
from legato.webhooks.sender import Sender
from legato.webhooks.worker import Worker

log = logging.getLogger(__name__)

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
        policy = policy or Policy()
        self._node = node
        self._write = write
        self._ledger = Ledger(node, write, clock)
        self._ledger.on_saved = self._saved
        self._leasing = Leasing(node=node, read=read, write=write, clock=clock, policy=policy, begin=self._begin)
        self._worker = Worker(
            read=read,
            sender=sender,
            ledger=self._ledger,
            clock=clock,
            policy=policy,
            chance=chance,
            wake_at=self._leasing.wake_at,
        )
        self._runners: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[Sequence[Progress]], None]] = []

    @property
    def working(self) -> int:
        """How many lanes are worked on."""
        return self._leasing.working

    @property
    def delivered(self) -> int:
        """Events that were taken, since the start."""
        return self._worker.delivered

    @property
    def failed(self) -> int:
        """Attempts that delivered nothing, since the start."""
        return self._worker.failed

    @property
    def dead(self) -> int:
        """Events that were given up, since the start."""
        return self._worker.dead

    def watch(self, listener: Callable[[Sequence[Progress]], None]) -> None:
        """From now on ``listener`` is called with what has been written down, after each commit of it."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Begins to send. Leases of nodes that are no more are leftovers; those of others are theirs."""
        await self._write(release_leases)
        self._ledger.start()
        self._leasing.start()

    async def close(self) -> None:
        """Finishes what is under way, as far as it answers soon, and writes down how far everything came."""
        self._worker.is_closing = True
        await self._leasing.close()
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
        async with self._leasing.turn:
            runners = list(self._runners)
            for runner in runners:
                runner.cancel()
            await asyncio.gather(*runners, return_exceptions=True)
            await self._ledger.forget_progress()
            self._leasing.forget_all()

    def heard(self, ids: set[str]) -> None:
        """Something has happened in these streams: applications' and conversations' ids, most of them no endpoints."""
        self._leasing.heard(ids)

    def changed(self, endpoint_id: str) -> None:
        """An endpoint was made, changed, paused, resumed or removed."""
        self._leasing.changed(endpoint_id)

    def doubt_all(self, application_id: str | None = None) -> None:
        """Nobody can tell which endpoints were changed, of an application or at all: each is read again before anything
        more is sent to it.
        """
        self._leasing.doubt_all(application_id)

    def _begin(self, channel: Channel, lease: Lease, first: Page | None) -> None:
        task = asyncio.create_task(self._worker.work(channel, lease, first), name=f"webhook lane {lease.stream}")
        self._runners.add(task)
        task.add_done_callback(self._runners.discard)

    def _saved(self, progress: Sequence[Progress], left: Sequence[str]) -> None:
        self._leasing.saved(progress, left)
        for listener in self._listeners:
            listener(progress)
