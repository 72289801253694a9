"""The desk where clients log in and out.

::

    CONNECT ─▶ token ─┬─ remembered ───────┬─▶ queue ─▶ one transaction for all that wait ─▶ session:success
                      └─ to be verified ───┘            (rows made, resumed, released)       or an error event
                         (a task of its own)

Logins share transactions as events do: a thousand clients that come at once cost some dozens of commits. What a client
is told is durable before it is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection as Database

from legato.auth import Authenticator, Principal
from legato.bus import Command, NoAnswerError
from legato.dialects import Dialect
from legato.events import Clock, IdSource, Unauthenticated
from legato.log import Log
from legato.sessions.connection import Connection
from legato.sessions.handshake import Handshake
from legato.sessions.registry import Registry
from legato.sessions.session import Session
from legato.store.sessions import (
    Admission,
    Denial,
    StoredSession,
    admit_sessions,
    end_expired_sessions,
    end_sessions,
    release_lost_sessions,
    release_sessions,
)

log = logging.getLogger(__name__)

# Logins of one transaction. It takes some 10 ms; the events that queue meanwhile wait for it.
ADMIT_TOGETHER: Final = 256
# Sessions of one user that are connected at once. More are pages that were reloaded without a word.
MAX_SESSIONS_PER_USER: Final = 50
# How long a session waits for its client: a laptop that was closed for a walk.
RESUMABLE_SECONDS: Final = 15 * 60.0

# After a transaction that failed: the next one would most likely fail too.
RETRY_SECONDS: Final = 1.0

PERMISSION: Final = "system:error:permission"
USER_NOT_FOUND: Final = "user:error:not-found"
# The newer clients know a missing user by this name only; to anything else they listen until they time out.
INVALID_USER: Final = "user:error:invalid-user"

_DENIED: Final[dict[Denial, tuple[str, str]]] = {
    Denial.NO_SESSION: ("session:error:invalid", "There is no such session of this user."),
    Denial.NO_USER: (USER_NOT_FOUND, "The user that the token is for does not exist."),
    Denial.TOO_MANY: ("session:error:max-open-sessions", "Too many sessions of this user are connected."),
}


class LetGo(msgspec.Struct, frozen=True):
    """Somebody else has this session now."""

    session_id: str


class Left(msgspec.Struct, frozen=True):
    """Up to which commit its client has received everything; None: that is not known."""

    answered: int | None


LET_GO: Final = Command("session:let-go", LetGo, Left)

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Arrival:
    """A client at the desk."""

    connection: Connection
    handshake: Handshake
    principal: Principal
    terminations: int  # the registry's, before the token was found to be good
    session_id: str  # to resume; empty for a new session
    is_new: bool
    fresh_id: str = ""  # of the new session, from the first try on
    answered: int | None = None  # how far its client had come, where an earlier try found that out


class Desk:
    """Decides who gets a session. One per node."""

    def __init__(
        self,
        *,
        log: Log,
        authenticator: Authenticator,
        registry: Registry,
        clock: Clock,
        ids: IdSource,
        max_per_user: int = MAX_SESSIONS_PER_USER,
        resumable_seconds: float = RESUMABLE_SECONDS,
        node: str = "",
    ) -> None:
        self._log = log
        self._authenticator = authenticator
        self._registry = registry
        self._clock = clock
        self._ids = ids
        self._max_per_user = max_per_user
        self._resumable = resumable_seconds
        self._node = node
        self._queue: deque[_Arrival] = deque()  # one for each socket at most
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.admitted = 0  # logins, since the start
        self.refused = 0
        registry.on_released = self._wake.set
        log.bus.calls.handle(LET_GO, self._let_go)

    async def start(self) -> None:
        """Opens the desk. Whoever was connected to a server that is no more is away."""
        until = self._clock.now() + self._resumable
        await self._log.transact(lambda database: release_lost_sessions(database, until))
        self._run(self._work(), "session desk")

    async def close(self) -> None:
        """Writes down who is gone, and stops."""
        released = self._registry.take_released()
        until = self._clock.now() + self._resumable
        try:
            if released:
                await self._log.transact(lambda database: release_sessions(database, released, until, self._node))
        except Exception:  # the next start writes down the same
            log.exception("%d sessions could not be released", len(released))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def log_in(self, connection: Connection) -> None:
        """Answers the login of ``connection`` with ``admitted`` or ``refused``."""
        handshake = connection.handshake
        if handshake is None:
            return
        terminations = self._registry.terminations
        principal = self._authenticator.recall(handshake.token)
        if principal is None:
            self._run(self._authenticate(connection, handshake, handshake.session_id, None), "login")
        else:
            is_new = not handshake.session_id
            arrival = _Arrival(connection, handshake, principal, terminations, handshake.session_id, is_new)
            self._join(arrival)

    def log_out(self, connection: Connection, session: Session, request_id: str | None) -> None:
        """Ends the session, whether or not its client waits for the answer."""
        self._run(self._end(connection, session, request_id), "logout")

    async def sweep(self) -> None:
        """Ends sessions that waited too long for their clients."""
        now = self._clock.now()
        await self._log.transact(lambda database: end_expired_sessions(database, now))

    # -- the queue ---------------------------------------------------------------------------------------------------

    def _join(self, arrival: _Arrival) -> None:
        if arrival.principal.may_open_session:
            self._queue.append(arrival)
            self._wake.set()
        else:
            self._refuse(arrival.connection, PERMISSION, "The token does not allow sessions.")

    async def _authenticate(
        self, connection: Connection, handshake: Handshake, session_id: str, earlier: _Arrival | None
    ) -> None:
        terminations = self._registry.terminations
        try:
            principal = await self._authenticator.authenticate(handshake.token)
        except Unauthenticated as refusal:
            if earlier is not None:
                try:
                    await self._log.transact(lambda database: end_sessions(database, [session_id]))
                except Exception:  # the log is full or the database does not answer: it can be resumed by nobody
                    log.exception("a session of a void token could not be ended")
                    self._registry.give_back_released({session_id: None})
            if connection.is_logging_in:
                self._refuse(connection, _code(refusal.code, handshake), refusal.detail)
            return
        except Exception:  # the database: the client comes back and tries again
            log.exception("a token could not be verified")
            connection.cut("its token could not be verified")
            return
        if connection.is_logging_in:
            is_new = not session_id if earlier is None else earlier.is_new
            answered = None if earlier is None else earlier.answered
            arrival = _Arrival(connection, handshake, principal, terminations, session_id, is_new, answered=answered)
            self._join(arrival)

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), ADMIT_TOGETHER))]
            if self._queue:
                self._wake.set()
            batch = [arrival for arrival in batch if arrival.connection.is_logging_in]
            released = self._registry.take_released()
            outcomes: Sequence[StoredSession | Denial | BaseException]
            try:
                outcomes = await self._admit(batch, released)
            except Exception:  # one of them cannot be, or the log is full, or the database does not answer
                log.exception("%d logins could not be written down together", len(batch))
                outcomes = await self._admit_apart(batch, released)
            for arrival, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, BaseException):  # its client comes back and tries again
                    arrival.connection.cut("the login could not be written down")
                    continue
                self._answer(arrival, outcome)

    async def _admit(
        self, batch: list[_Arrival], released: dict[str, int | None], *, again: bool = False
    ) -> list[StoredSession | Denial]:
        now = self._clock.now()
        admissions = [Admission(arrival.session_id, self._fresh(arrival, now)) for arrival in batch]

        def write(database: Database) -> list[StoredSession | Denial]:
            release_sessions(database, released, now + self._resumable, self._node)
            if again:  # the first try may have come through, and only its answer was lost
                end_sessions(database, [admission.fresh.id for admission in admissions])
            return admit_sessions(database, admissions, max_per_user=self._max_per_user)

        return await self._log.transact(write) if batch or released else []

    async def _admit_apart(
        self, batch: list[_Arrival], released: dict[str, int | None]
    ) -> Sequence[StoredSession | Denial | BaseException]:
        """The same again, and what cannot be written down fails alone: the log gives each a savepoint in one commit.

        When nobody at all can be released either, it is nobody's login: that is waited out.
        """
        until = self._clock.now() + self._resumable
        try:
            await self._log.transact(lambda database: release_sessions(database, released, until, self._node))
        except Exception as error:
            self._registry.give_back_released(released)
            await asyncio.sleep(RETRY_SECONDS)
            return [error] * len(batch)
        return await asyncio.gather(*map(self._admit_one, batch), return_exceptions=True)

    async def _admit_one(self, arrival: _Arrival) -> StoredSession | Denial:
        (outcome,) = await self._admit([arrival], {}, again=True)
        return outcome

    def _fresh(self, arrival: _Arrival, now: float) -> StoredSession:
        handshake = arrival.handshake
        user = arrival.principal.user
        arrival.fresh_id = arrival.fresh_id or f"SES-{self._ids.uuid()}"
        return StoredSession(
            id=arrival.fresh_id,
            application_id=arrival.principal.application_id,
            user_id=user.id if user else "",
            dialect=Dialect.CHAT if handshake.is_chat else Dialect.CLASSIC,
            session_version=handshake.session_version,
            properties=handshake.properties,
            created_at=now,
            node=self._node,
        )

    def _answer(self, arrival: _Arrival, outcome: StoredSession | Denial) -> None:
        try:
            self._decide(arrival, outcome)
        except Exception:  # whatever is wrong with one login, the desk stays open
            log.exception("a login could not be answered")
            arrival.connection.cut("the login could not be answered")

    def _decide(self, arrival: _Arrival, outcome: StoredSession | Denial) -> None:
        connection = arrival.connection
        if isinstance(outcome, Denial):
            if connection.is_logging_in:
                code, detail = _DENIED[outcome]
                self._refuse(connection, _code(code, arrival.handshake), detail)
            return
        if outcome.answered is not None:
            arrival.answered = outcome.answered
        if self._is_known_elsewhere(arrival, outcome):
            self._run(self._ask_where_it_was(arrival, outcome), "login")
        elif not connection.is_logging_in:
            self._registry.give_back_released({outcome.id: arrival.answered})
        elif self._is_stale(arrival):
            # Somebody's sessions were ended meanwhile; if they were this user's, the token says so when asked again.
            again = self._authenticate(connection, arrival.handshake, outcome.id, arrival)
            self._run(again, "login")
        else:
            self._admitted(arrival, outcome)

    def _is_known_elsewhere(self, arrival: _Arrival, stored: StoredSession) -> bool:
        """Whether only the node that had the session until now knows how far its client had come."""
        if arrival.is_new or stored.expires_at is not None or stored.node in (None, self._node):
            return False
        return arrival.connection.after is None

    async def _ask_where_it_was(self, arrival: _Arrival, stored: StoredSession) -> None:
        terminations = self._registry.terminations
        try:
            left = await self._log.bus.calls.call(stored.node or "", LET_GO, LetGo(stored.id))
            arrival.answered = left.answered
        except NoAnswerError as error:  # what that node knew is gone with it
            log.info("how far a session had come is not known: %s", error)
        if terminations != self._registry.terminations and arrival.connection.is_logging_in:
            self._join(arrival)  # it may have been ended while nobody had it
        else:
            self._answer(arrival, replace(stored, node=self._node))

    async def _let_go(self, asked: LetGo) -> Left:
        return Left(self._registry.let_go(asked.session_id))

    def _refuse(self, connection: Connection, code: str, detail: str) -> None:
        self.refused += 1
        connection.refused(code, detail)

    def _is_stale(self, arrival: _Arrival) -> bool:
        if arrival.terminations == self._registry.terminations:
            return False
        return self._authenticator.recall(arrival.handshake.token) is not arrival.principal

    def _admitted(self, arrival: _Arrival, stored: StoredSession) -> None:
        principal, connection = arrival.principal, arrival.connection
        name = principal.user.name if principal.user else ""
        session = Session(
            stored.id,
            stored.application_id,
            stored.user_id,
            name,
            Dialect(stored.dialect),
            principal.expires_at,
            connection,
        )
        after = None
        if not arrival.is_new:
            after = connection.after
            if after is None:
                after = self._registry.answered(stored.id)
            if after is None:
                after = arrival.answered
        body = {
            "id": stored.id,
            "user_id": stored.user_id,
            "name": name,
            "api_key": principal.api_key,
            "pending_events": [],
        }
        self.admitted += 1
        connection.admitted(session, _encode({"body": body}), after)

    async def _end(self, connection: Connection, session: Session, request_id: str | None) -> None:
        try:
            await self._log.transact(lambda database: end_sessions(database, [session.id]))
        except Exception:  # the log is full or the database does not answer
            log.exception("a session could not be ended")
            connection.logout_failed(request_id, "The session could not be ended; try again.")
            return
        self._registry.end(session)
        connection.logged_out(request_id)

    def _run(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _code(code: str, handshake: Handshake) -> str:
    return INVALID_USER if code == USER_NOT_FOUND and handshake.is_chat else code
