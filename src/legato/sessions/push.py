"""Who would be woken: no push is sent from here, but the application is told, by ``app:push``, whom to send one to."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from legato.events import Event
from legato.events.moment import Clock, iso
from legato.events.refusal import Overloaded
from legato.log import Delivery, Log
from legato.store.devices import Device, devices_of_users
from legato.store.sessions import connected_elsewhere

log = logging.getLogger(__name__)

# Events whose absent readers are still to be looked up. Past it the oldest go untold: a push is a hint, not a record.
MAX_WAITING: Final = 1024
# Between look-ups: one for each commit would cost a busy server a quarter of what an append costs.
GATHER_SECONDS: Final = 0.1


def _devices(connection: Connection, absent: set[str], node: str) -> dict[str, list[Device]]:
    """The devices of those who are not connected at any other node either."""
    found = devices_of_users(connection, absent)
    for user in connected_elsewhere(connection, found.keys(), node) if found else ():
        del found[user]
    return found


class Push:
    """A tap: for every event that wakes, the devices of its audience of whom nobody is connected."""

    def __init__(self, log_: Log, clock: Clock, is_connected: Callable[[str], bool], node: str = "") -> None:
        self._log = log_
        self._node = node
        self._clock = clock
        self._is_connected = is_connected
        self._waiting: deque[tuple[Event, tuple[str, ...]]] = deque(maxlen=MAX_WAITING)
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Taps the log, which must be running."""
        self._log.tap(self._hear)
        self._task = asyncio.create_task(self._run(), name="push")

    async def close(self) -> None:
        """Stops; what was not looked up yet stays untold."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _hear(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            event = delivery.event
            if delivery.is_remote or not delivery.entry.wakes:
                continue
            # An invitation wakes who is invited; a message everybody but its author.
            reached = (event.user.id,) if event.author and event.user else delivery.audience
            self._waiting.append((event, reached))
            self._bell.set()

    async def _run(self) -> None:
        while True:
            await self._bell.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._bell.clear()
            batch, self._waiting = list(self._waiting), deque(maxlen=MAX_WAITING)
            # A conversation's events share one audience, so there are far fewer of those than of events.
            audiences = {id(reached): reached for _, reached in batch}
            absent = {user for reached in audiences.values() for user in reached if not self._is_connected(user)}
            if not absent:
                continue
            try:
                devices = await self._log.read(partial(_devices, absent=absent, node=self._node))
                for event, reached in batch if devices else ():
                    writer = event.author.user if event.author else event.user
                    for user in reached:
                        if user in devices and (writer is None or user != writer.id):
                            await self._log.signal(self._told(event, user, devices[user]))
            except Overloaded:
                log.info("the log is full: who would have been woken is not told")
            except Exception:
                log.exception("who would be woken could not be found out")

    def _told(self, event: Event, user_id: str, devices: list[Device]) -> Event:
        return Event(
            type="app:push",
            application_id=event.application_id,
            timestamp=iso(self._clock.now()),
            body={
                "user": {"id": user_id},
                "devices": [
                    {"device_id": one.device_id, "device_type": one.registration["device_type"]} for one in devices
                ],
                "event": {"type": event.type, "id": event.id, "conversation_id": event.conversation_id},
            },
        )
