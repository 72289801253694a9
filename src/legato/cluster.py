"""The nodes of an installation, wired: this process among them, its bus, its clock, and what it hears of the others.

With SQLite there is one node, and nothing here does anything.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from legato.bus import Advanced, Bus, LocalBus, Nodes, PostgresBus
from legato.config import Settings
from legato.events.ids import RandomIds
from legato.events.moment import SharedClock
from legato.log import Log
from legato.store import Store
from legato.store.applications import read_application
from legato.store.heads import (
    ApplicationChanged,
    Change,
    EndpointChanged,
    Heads,
    PersonChanged,
    SessionRefreshed,
    SessionsEnded,
    SessionsMoved,
)

if TYPE_CHECKING:
    from legato.app import Application

log = logging.getLogger(__name__)

MAX_NAME: Final = 64
# Between tries to read what another node has changed.
READ_AGAIN_SECONDS: Final = 1.0


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


class Hearsay:
    """What other nodes have changed, and what this one remembers of it: each is forgotten, ended or read again."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._changed: set[str] = set()  # applications
        self._is_lost = False
        self._reading: asyncio.Task[None] | None = None

    def hear(self, changes: Sequence[Change]) -> None:
        """The log's ``on_changes``."""
        for change in changes:
            try:
                self._hear(change)
            except Exception:  # they are heard once: one that cannot be dealt with takes none of the others along
                log.exception("what was changed elsewhere (%s) could not be followed", type(change).__name__)

    def _hear(self, change: Change) -> None:
        app, registry = self._app, self._app.sessions.registry
        match change:
            case PersonChanged(user_id, application_id):
                app.auth.forget_user(application_id, user_id)
            case ApplicationChanged(application_id, void):
                if void is not None:
                    app.auth.forget_application(application_id)
                    app.webhooks.listeners.end(application_id)
                    registry.ended_with(application_id, void)
                app.webhooks.application_changed(application_id)
                self._read(application_id)
            case EndpointChanged(endpoint_id):
                app.webhooks.changed(endpoint_id)
            case SessionsEnded(session_ids, reason):
                registry.ended(session_ids, reason)
            case SessionsMoved(session_ids, node):
                if node != app.cluster.node:
                    registry.moved(session_ids)
            case SessionRefreshed():
                registry.refreshed(change)
            case _:  # what only the log remembers
                pass

    def forget_everything(self) -> None:
        """Nobody can say what has changed: how applications want their events is read again."""
        self._is_lost = True
        self._begin_to_read()

    async def close(self) -> None:
        """Stops reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _read(self, application_id: str) -> None:
        self._changed.add(application_id)
        self._begin_to_read()

    def _begin_to_read(self) -> None:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_changed(), name="applications changed elsewhere")

    async def _read_changed(self) -> None:
        while self._changed or self._is_lost:
            try:
                if self._is_lost:
                    self._is_lost = False  # before reading: it may be lost again, and a change come, while that goes on
                    await self._app.log.read(self._app.manners.load)
                while self._changed:
                    application_id = self._changed.pop()
                    found = await self._app.log.read(partial(read_application, application_id=application_id))
                    self._app.manners.changed(application_id, found)
            except Exception as error:  # until then events are rendered as they were wanted before
                self._is_lost = True
                log.warning("what another node has changed could not be read (%s)", type(error).__name__)
                await asyncio.sleep(READ_AGAIN_SECONDS)
