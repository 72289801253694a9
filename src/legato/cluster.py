"""The nodes of an installation, wired: this process among them, its bus and its clock.

With SQLite there is one node, and nothing here does anything.
"""

from __future__ import annotations

import os
import socket
from typing import Final

from legato.bus import Advanced, Bus, LocalBus, Nodes, PostgresBus
from legato.config import Settings
from legato.events.ids import RandomIds
from legato.events.moment import SharedClock
from legato.log import Log
from legato.store import Store
from legato.store.heads import Heads

MAX_NAME: Final = 64


class Cluster:
    """This node: ``open_log`` gives it its log, ``start`` makes it known to the others, ``close`` takes leave."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.node = RandomIds().uuid()
        self.clock = SharedClock()
        self.nodes: Nodes | None = None
        self._settings = settings
        self._store = store
        self._log: Log | None = None

    async def open_log(self, installation: str) -> Log:
        """The log, running. ``installation`` is the name that all of its nodes share. Raises MissingNatsError."""
        opened = Log(self._store, clock=self.clock, queue_bound=self._settings.queue_bound, bus=self._bus(installation))
        await opened.start()
        self._log = opened
        if not self._store.is_sqlite:
            self.nodes = Nodes(
                node=self.node,
                name=self._settings.node_name or f"{socket.gethostname()[:MAX_NAME]} (process {os.getpid()})",
                beat=self._store.beat,
                write=opened.transact,
                clock=self.clock,
                session_seconds=self._settings.session_ttl_seconds,
            )
            self.nodes.on_seen = self._seen
        return opened

    async def start(self) -> None:
        """This node is there."""
        if self.nodes is not None and self._log is not None:
            await self.nodes.start()
            self._log.bus.publish(Advanced())

    async def close(self) -> None:
        """This node is there no longer."""
        if self.nodes is not None:
            await self.nodes.close()

    def _bus(self, installation: str) -> Bus:
        if self._store.is_sqlite:
            return LocalBus()
        if self._settings.bus_url is not None:
            from legato.bus.nats import NatsBus

            return NatsBus(self._settings.bus_url, self.node, installation)
        return PostgresBus(self._store.url, self.node)

    def _seen(self, others: int, heads: Heads) -> None:
        if self._log is not None:
            self._log.others.has_others = others > 0
            if not self._log.others.has_reached(heads):
                self._log.others.look()
