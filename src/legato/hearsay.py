"""What other nodes have changed, followed: what this one remembers of it is forgotten, ended or read again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from legato.auth import Authenticator
from legato.log import Log
from legato.manners import Manners
from legato.sessions.registry import Registry
from legato.store.applications import read_application
from legato.store.heads import (
    ApplicationChanged,
    Change,
    EndpointChanged,
    PersonChanged,
    SessionRefreshed,
    SessionsEnded,
    SessionsMoved,
)
from legato.webhooks import Webhooks

log = logging.getLogger(__name__)

# Between tries to read what another node has changed.
READ_AGAIN_SECONDS: Final = 1.0


class Hearsay:
    """Hears what the log is told of changes elsewhere, until ``close``."""

    def __init__(
        self, log_: Log, node: str, auth: Authenticator, manners: Manners, registry: Registry, webhooks: Webhooks
    ) -> None:
        self._log = log_
        self._node = node
        self._auth = auth
        self._manners = manners
        self._registry = registry
        self._webhooks = webhooks
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
        match change:
            case PersonChanged(user_id, application_id):
                self._auth.forget_user(application_id, user_id)
            case ApplicationChanged(application_id, void):
                if void is not None:
                    self._auth.forget_application(application_id)
                    self._webhooks.listeners.end(application_id)
                    self._registry.ended_with(application_id, void)
                self._webhooks.application_changed(application_id)
                self._read(application_id)
            case EndpointChanged(endpoint_id):
                self._webhooks.changed(endpoint_id)
            case SessionsEnded(session_ids, reason):
                self._registry.ended(session_ids, reason)
            case SessionsMoved(session_ids, node):
                if node != self._node:
                    self._registry.moved(session_ids)
            case SessionRefreshed():
                self._registry.refreshed(change)
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
                    await self._manners.load(self._log.read)
                while self._changed:
                    application_id = self._changed.pop()
                    found = await self._log.read(partial(read_application, application_id=application_id))
                    self._manners.changed(application_id, found)
            except Exception as error:  # until then events are rendered as they were wanted before
                self._is_lost = True
                log.warning("what another node has changed could not be read (%s)", type(error).__name__)
                await asyncio.sleep(READ_AGAIN_SECONDS)
