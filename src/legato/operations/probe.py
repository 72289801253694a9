"""A read of the database that may take so long and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection

from legato.log import Log

T = TypeVar("T")


class Probe(Generic[T]):
    """Runs ``work`` on a reading connection. However many ask, it runs once at a time and they share what it finds.

    Whoever probes needs no token, and a database that hangs must not gather readers that wait for it.
    """

    def __init__(self, log: Log, work: Callable[[Connection], T], seconds: float) -> None:
        self._log = log
        self._work = work
        self._seconds = seconds
        self._running: asyncio.Task[T] | None = None

    async def ask(self) -> T:
        """What ``work`` finds. Raises TimeoutError when that takes longer than ``seconds``, and what it raises."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._log.read(self._work), name="probe")
        async with asyncio.timeout(self._seconds):
            return await asyncio.shield(self._running)
