"""The room, wired: what the application starts, mounts and stops."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from legato.auth import Authenticator
from legato.events import Clock, IdSource, RandomIds, SystemClock
from legato.log import Log
from legato.sessions.asgi import AsgiEndpoint
from legato.sessions.connection import EXPIRY_GRACE_SECONDS, Connection
from legato.sessions.engine import Endpoint, Gate, Limits, Transport
from legato.sessions.fanout import Render
from legato.sessions.login import MAX_SESSIONS_PER_USER, RESUMABLE_SECONDS, Desk
from legato.sessions.polling import PollingEndpoint, Receive, Scope, Send
from legato.sessions.push import Push
from legato.sessions.registry import Registry
from legato.sessions.session import Session
from legato.sessions.websocket import WebSocket, websocket_class
from legato.sessions.wheel import TICK_SECONDS

log = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What an installation may change."""

    limits: Limits = field(default_factory=Limits)
    max_sessions_per_user: int = MAX_SESSIONS_PER_USER
    resumable_seconds: float = RESUMABLE_SECONDS
    token_grace_seconds: float = EXPIRY_GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class Figures:
    """The room in numbers: how many there are now, and how often something happened since the start."""

    connected: int  # sessions
    sockets: int  # open, logged in or not
    max_sockets: int
    cut_slow: int  # sockets whose clients did not read
    resumed_from_memory: int
    resumed_from_log: int
    logins_admitted: int
    logins_refused: int


class Sessions:
    """Client sessions: ``websocket_class`` for uvicorn, itself the ASGI application for the rest of the path.

    ::

        sessions = Sessions(log=…, authenticator=…, render=…)
        uvicorn.Config(app, ws=sessions.websocket_class)        the way in for all of the platform's clients
        app: /v2/rtc, /v2/rtc/ ─▶ sessions                      long polling, and websockets over plain ASGI
    """

    def __init__(
        self,
        *,
        log: Log,
        authenticator: Authenticator,
        render: Render,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        steady: Callable[[], float] = time.monotonic,
        settings: Settings | None = None,
        node: str = "",
        gate: Gate | None = None,
    ) -> None:
        """``render`` is ``legato.dialects.for_socket``; ``steady`` a clock in seconds that is never set.

        ``node`` names this process among those that share the database; ``gate`` bounds attempts to come in, by their
        addresses.
        """
        settings = settings or Settings()
        self.clock = clock or SystemClock()
        self.ids = ids or RandomIds()
        self.registry = Registry(log, render)
        self.token_grace = settings.token_grace_seconds
        self._push = Push(log, self.clock, self.registry.is_connected, node)
        self.endpoint = Endpoint(self._connection, ids=self.ids, now=steady, limits=settings.limits, gate=gate)
        self.websocket_class: type[WebSocket] = websocket_class(self.endpoint)
        self._desk = Desk(
            log=log,
            authenticator=authenticator,
            registry=self.registry,
            clock=self.clock,
            ids=self.ids,
            max_per_user=settings.max_sessions_per_user,
            resumable_seconds=settings.resumable_seconds,
            node=node,
        )
        self._polling = PollingEndpoint(self.endpoint)
        self._asgi = AsgiEndpoint(self.endpoint)
        self._ticker: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._swept_at = steady()

    async def start(self) -> None:
        """Taps the log, which must be running, and lets clients in."""
        self.registry.start()
        await self._desk.start()
        self._push.start()
        self._tick()

    async def close(self) -> None:
        """Closes every connection, without DISCONNECT: clients come back when there is somebody to come back to.

        The log must still be running.
        """
        if self._ticker is not None:
            self._ticker.cancel()
        self.endpoint.close()
        await self._push.close()
        await self.registry.close()
        if self._sweeping is not None:
            await asyncio.gather(self._sweeping, return_exceptions=True)
        await self._desk.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application under the socket's path."""
        await (self._asgi if scope["type"] == "websocket" else self._polling)(scope, receive, send)

    def figures(self) -> Figures:
        """As they stand; reading them costs the same however many clients there are."""
        return Figures(
            connected=len(self.registry),
            sockets=len(self.endpoint.sockets),
            max_sockets=self.endpoint.limits.max_sockets,
            cut_slow=self.endpoint.cut_slow,
            resumed_from_memory=self.registry.resumed_from_memory,
            resumed_from_log=self.registry.resumed_from_log,
            logins_admitted=self._desk.admitted,
            logins_refused=self._desk.refused,
        )

    def tick(self) -> None:
        """What time brings: heartbeats, deadlines, expiries. Called every ``TICK_SECONDS``."""
        now = self.endpoint.now()
        self.endpoint.wheel.turn(now)
        self.registry.wake()
        if now - self._swept_at >= SWEEP_SECONDS and self._sweeping is None:
            self._swept_at = now
            self._sweeping = asyncio.create_task(self._sweep(), name="session sweep")

    def log_in(self, connection: Connection) -> None:
        """See ``House``."""
        self._desk.log_in(connection)

    def log_out(self, connection: Connection, session: Session, request_id: str | None) -> None:
        """See ``House``."""
        self._desk.log_out(connection, session, request_id)

    def _tick(self) -> None:
        try:
            self.tick()
        finally:
            self._ticker = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    async def _sweep(self) -> None:
        try:
            await self._desk.sweep()
        except Exception:  # the log is full or the database does not answer: the next sweep makes up for it
            log.exception("old sessions could not be ended")
        finally:
            self._sweeping = None

    def _connection(self, endpoint: Endpoint, sid: str, transport: Transport, query: Mapping[str, str]) -> Connection:
        return Connection(self, endpoint, sid, transport, query)
