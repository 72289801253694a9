"""This process among the others: it says that it is there, sees who else is, and buries the dead.

::

    every second   our lease + 5 s ─▶ who is there? ─┬─ somebody's lease has run out ─▶ its sessions and lanes are free
                                                     └─ ours is gone: we were taken for dead ─▶ everything begins anew

Leases are by the database's clock, and so is this node's clock from then on: machines whose clocks differ agree.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection

from legato.events.moment import SharedClock
from legato.store.heads import Heads, read_heads
from legato.store.nodes import Node, Standing, bury, register_node, remove_node, renew_lease

T = TypeVar("T")

log = logging.getLogger(__name__)

# A node that dies is noticed within the sum of these.
LEASE_SECONDS: Final = 5.0
BEAT_SECONDS: Final = 1.0
# Clocks are compared over a network: what differs by less is its doing.
CLOCK_TOLERANCE_SECONDS: Final = 0.1


class Working(Protocol):
    """``Store.beat`` or ``Log.transact``."""

    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]:
        """The result of ``work``, committed."""
        ...


class Nodes:
    """The nodes of an installation on PostgreSQL, seen from one of them."""

    def __init__(
        self, *, node: str, name: str, beat: Working, write: Working, clock: SharedClock, session_seconds: float
    ) -> None:
        """``beat`` waits for no other writer, ``write`` for its turn. ``session_seconds``: how long sessions wait."""
        self.node = node
        self.name = name
        self._beat = beat
        self._write = write
        self._clock = clock
        self._session_seconds = session_seconds
        self._task: asyncio.Task[None] | None = None
        self._besides: asyncio.Task[None] | None = None
        self._looked_at = 0.0  # by the steady clock
        self._trusted_since: float | None = None  # by the steady clock; None: our own lease was not kept lately
        self.others = 0  # that are alive
        self.buried = 0  # nodes, since the start
        self.on_seen: Callable[[int, Heads], None] = lambda _others, _heads: None
        self.on_buried: Callable[[], Awaitable[None]] = _nothing

    async def start(self) -> None:
        """Says that this node is there, before it takes anything that others would have to free."""
        await self._write(self._register)
        await self._look()
        self._task = asyncio.create_task(self._run(), name="nodes")

    async def close(self) -> None:
        """Leaves; whatever this node had is free."""
        running = [task for task in (self._task, self._besides) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        try:
            until = self._clock.now() + self._session_seconds
            await self._beat(partial(remove_node, node=self.node, sessions_until=until))
        except Exception:  # its lease runs out by itself
            log.exception("this node could not take leave of the others")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._look()
            except Exception as error:  # whatever the driver raises: its text may name hosts and users
                if self._trusted_since is not None:
                    log.warning("other nodes cannot be seen: the database does not answer (%s)", type(error).__name__)
                self._trusted_since = None

    async def _look(self) -> None:
        begun = time.time()
        standing, heads = await self._beat(self._say)
        self._set_clock(standing.now - (begun + time.time()) / 2, time.time() - begun)
        steady = asyncio.get_running_loop().time()
        if not standing.is_ours or steady - self._looked_at > LEASE_SECONDS:
            self._trusted_since = None
        self._looked_at = steady
        if not standing.is_ours:
            self._beside(self._begin_anew())
        if self._trusted_since is None:
            self._trusted_since = steady
        self.others = sum(each.left > 0 and each.id != self.node for each in standing.nodes)
        self.on_seen(self.others, heads)
        # After the database was away everybody's lease has run out, and everybody needs the time to say so.
        if steady - self._trusted_since >= LEASE_SECONDS:
            dead = [each for each in standing.nodes if each.left < 0 and each.id != self.node]
            if dead:
                self._beside(self._bury(dead))

    def _say(self, connection: Connection) -> tuple[Standing, Heads]:
        return renew_lease(connection, self.node, LEASE_SECONDS), read_heads(connection)

    def _register(self, connection: Connection) -> None:
        register_node(connection, self.node, self.name, LEASE_SECONDS)

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        """What waits for writers does not keep this node from saying that it is there. One at a time."""
        if self._besides is not None and not self._besides.done():
            work.close()  # the next look finds it again
        else:
            self._besides = asyncio.create_task(self._tried(work), name="nodes that are gone")

    async def _tried(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:  # the next look finds it again
            log.warning("what a lost lease asks for could not be done (%s)", type(error).__name__)

    async def _begin_anew(self) -> None:
        log.error("this node was taken for dead: its clients come back, and it begins anew")
        await self.on_buried()
        await self._write(self._register)

    async def _bury(self, dead: list[Node]) -> None:
        until = self._clock.now() + self._session_seconds
        for each in dead:
            left = await self._write(partial(bury, node=each.id, sessions_until=until))
            if left is not None:
                self.buried += 1
                log.warning("the node %s is gone: its %d sessions can be resumed at any other", each.name, left)

    def _set_clock(self, offset: float, took: float) -> None:
        if abs(offset - self._clock.offset) <= CLOCK_TOLERANCE_SECONDS + took:
            return
        self._clock.offset = offset
        if abs(offset) > 1:
            how = "behind" if offset > 0 else "ahead of"
            log.warning("this machine's clock is %.1f s %s the database's, which counts", abs(offset), how)


async def _nothing() -> None:
    """For nobody."""
