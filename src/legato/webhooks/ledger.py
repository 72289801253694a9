"""What deliveries came to, written down together: one commit for as many lanes as moved while the last one ran."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

from legato.events.moment import Clock
from legato.events.refusal import Overloaded
from legato.store.attempts import Attempt, DeadLetter, keep_attempts, keep_dead_letters
from legato.store.endpoints import change_endpoints
from legato.store.leases import Progress, due_endpoints, save_progress

T = TypeVar("T")

log = logging.getLogger(__name__)

# Longer than what is done between two commits of a lane may take: two requests of ten seconds each (while two secrets
# sign), the wait for room, and the commit. What a node that died has leased is taken over within this time.
LEASE_SECONDS: Final = 30.0
# Attempts that may wait to be written down. Past it nothing more is sent: all of it would be sent again after a crash.
MAX_UNSAVED: Final = 2_000
# Between tries when the log is full or the database does not answer.
RETRY_SECONDS: Final = 0.5


class Reading(Protocol):
    """``Log.read``."""

    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]:
        """The result of ``work`` on a reading connection."""
        ...


class Writing(Protocol):
    """``Log.transact``."""

    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]:
        """The result of ``work``, durable."""
        ...


class Ledger:
    """Collects what came of deliveries and saves it in groups, in the order it came."""

    def __init__(self, node: str, write: Writing, clock: Clock) -> None:
        self._node = node
        self._write = write
        self._clock = clock
        self._progress: dict[tuple[str, str], Progress] = {}
        self._attempts: list[Attempt] = []
        self._letters: list[DeadLetter] = []
        self._changes: dict[tuple[str, float], dict[str, Any]] = {}
        self._bell = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._saving = asyncio.Lock()
        self.on_saved: Callable[[list[Progress], Sequence[str]], None] = lambda _saved, _left: None

    def start(self) -> None:
        """Begins to save."""
        self._task = asyncio.create_task(self._run(), name="webhook ledger")

    async def close(self) -> None:
        """Saves what is there, and stops."""
        self._closing = True
        self._bell.set()
        if self._task is not None:
            await self._task

    def move(self, progress: Progress) -> None:
        """A lane has come further, or is to be tried again, or is released."""
        self._progress[progress.endpoint_id, progress.stream] = progress
        self._bell.set()

    def attempted(self, attempt: Attempt) -> None:
        """A request was made."""
        self._attempts.append(attempt)
        if len(self._attempts) >= MAX_UNSAVED:
            self._room.clear()

    def dead(self, letter: DeadLetter) -> None:
        """An event was given up."""
        self._letters.append(letter)

    def change(self, endpoint_id: str, as_of: float, **changes: Any) -> None:
        """The health has changed of an endpoint as it was ``as_of``."""
        self._changes.setdefault((endpoint_id, as_of), {}).update(changes)
        self._bell.set()

    async def forget_progress(self) -> None:
        """How far lanes have come counts no longer: others have them. Returns when nothing of it is being saved."""
        self._progress.clear()
        async with self._saving:
            self._progress.clear()

    async def room(self) -> None:
        """Returns when more may be sent without running too far ahead of what is written down."""
        await self._room.wait()

    async def _run(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            async with self._saving:
                await self._save()
            if self._closing and not self._bell.is_set():
                return

    async def _save(self) -> None:
        progress, self._progress = list(self._progress.values()), {}
        attempts, self._attempts = self._attempts, []
        letters, self._letters = self._letters, []
        changes, self._changes = self._changes, {}

        freed = {each.endpoint_id for each in progress if each.release}

        def write(connection: Connection) -> Sequence[str]:
            now = self._clock.now()
            save_progress(connection, self._node, progress, now, now + LEASE_SECONDS)
            keep_attempts(connection, attempts)
            keep_dead_letters(connection, letters)
            change_endpoints(connection, changes)
            return due_endpoints(connection, now, freed) if freed else ()

        while True:
            try:
                left = await self._write(write)
                break
            except Overloaded:
                if self._closing:
                    return  # the log takes no more: these are sent again by whoever comes next
            except Exception:
                log.exception("what was delivered could not be written down and will be tried again")
                if self._closing:
                    return
            await asyncio.sleep(RETRY_SECONDS)
        self._room.set()
        self.on_saved(progress, left)
