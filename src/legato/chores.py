"""What is done now and then while the server runs: old rows and files go, and a rotated secret is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from legato.log import Log, Upkeep
from legato.store.applications import purge_orphans
from legato.store.files import Files
from legato.store.media import known_media
from legato.store.signature import SignatureSecrets, read_signature_secrets

log = logging.getLogger(__name__)

# Between looks whether the signature secret was rotated by somebody else than us.
SIGNATURE_SECONDS: Final = 5.0
# Between looks for rows that deleted applications left.
PURGE_SECONDS: Final = 60.0
# Between looks for files that no row names: they only cost room on the disk.
SWEEP_SECONDS: Final = 24 * 3600.0


class Chores:
    """All of them, from ``start`` to ``close``."""

    def __init__(self, log_: Log, upkeep: Upkeep, files: Files, sign_with: Callable[[SignatureSecrets], None]) -> None:
        """``sign_with`` is told the secrets that webhooks are signed with."""
        self._log = log_
        self._upkeep = upkeep
        self._files = files
        self._sign_with = sign_with
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(), name="chores")

    async def close(self) -> None:
        """Stops, in the middle of whatever it is."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as chores:
            chores.create_task(self._upkeep.run(), name="upkeep")
            chores.create_task(_repeat(SIGNATURE_SECONDS, self._look_at_signature), name="signature")
            chores.create_task(_repeat(PURGE_SECONDS, self._purge), name="purge")
            chores.create_task(_repeat(SWEEP_SECONDS, self._sweep), name="sweep")

    async def _look_at_signature(self) -> None:
        """Whether a command, or another node, has rotated what webhooks are signed with."""
        found = await self._log.read(read_signature_secrets)
        if found is not None:
            self._sign_with(found)

    async def _purge(self) -> None:
        """What deleted applications left in the database goes, little by little."""
        while await self._log.transact(purge_orphans):
            pass

    async def _sweep(self) -> None:
        """Files that no row names go."""
        await self._log.read(lambda connection: self._files.sweep(partial(known_media, connection)))


async def _repeat(seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
    """``chore`` now and then, for ever; one that fails is told in the server's log and tried again."""
    while True:
        try:
            await chore()
        except Exception:
            log.exception("a chore failed and will be tried again")
        await asyncio.sleep(seconds)
