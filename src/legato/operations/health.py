"""Whether the server is well enough to be sent work.

::

    /health/live    the process answers: restart it when it does not
    /health/ready   it can do what it is asked: send it nobody while it cannot
"""

from __future__ import annotations

import logging
from typing import Final

from legato.log import Log
from legato.operations.probe import Probe
from legato.store.heads import last_commit

log = logging.getLogger(__name__)

# A read takes less than a millisecond. Whoever probes waits some seconds itself, and is to hear why it waited.
READ_SECONDS: Final = 2.0


class Health:
    """Knows what is needed for the server to be ready. ``is_stopping`` is for whoever stops it to set."""

    def __init__(self, log_: Log, *, read_seconds: float = READ_SECONDS) -> None:
        self._log = log_
        self._read_seconds = read_seconds
        self._probe = Probe(log_, last_commit, read_seconds)
        self._told: dict[str, str] = {}
        self.is_stopping = False

    async def not_ready(self) -> dict[str, str]:
        """What keeps the server from being ready, and why, in words that hold no secret. Empty when nothing does."""
        found = await self._look()
        if found != self._told:  # said once, not at every probe
            self._told = found
            for name, why in found.items():
                log.warning("not ready: the %s %s", name, why)
            if not found:
                log.info("ready again")
        return found

    async def _look(self) -> dict[str, str]:
        found = {}
        try:
            await self._probe.ask()
        except TimeoutError:
            found["database"] = f"did not answer within {self._read_seconds:g} s"
        except Exception as error:  # whatever the driver raises: its text may name hosts and users
            found["database"] = f"cannot be read ({type(error).__name__})"
        if not self._log.is_writing and not self.is_stopping:
            found["writer"] = "does not run"
        if self.is_stopping:  # asked last: it may have begun while the database was waited for
            found["server"] = "is stopping"
        return found
