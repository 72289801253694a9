"""A session that somebody is connected to."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from legato.dialects import Dialect

if TYPE_CHECKING:
    from legato.sessions.connection import Connection

# Signals that come while a client catches up wait for it. More than a handful at once is a flood of typing.
MAX_HELD: Final = 64


class Pace(enum.Enum):
    """How a session gets its events."""

    CATCHING_UP = "catching up"  # from the ring or the log, in pages
    LIVE = "live"  # from every batch as it is committed
    ENDED = "ended"  # no longer: its connection went, or another took its place


class Session:
    """One client, logged in and connected. Its connection goes with it; the row in the store outlives both.

    ``cursor`` is the commit number up to which it was sent everything, while it catches up. ``answered`` is the one up
    to which it is known to have received everything: what was sent before the last ping it answered.
    """

    __slots__ = (
        "_held",
        "_pinged",
        "answered",
        "application_id",
        "connection",
        "cursor",
        "dialect",
        "disconnect_at",
        "expires_at",
        "id",
        "name",
        "pace",
        "user_id",
    )

    def __init__(
        self,
        id: str,  # noqa: A002 - the name on every wire
        application_id: str,
        user_id: str,
        name: str,
        dialect: Dialect,
        expires_at: float,
        connection: Connection,
    ) -> None:
        self.id = id
        self.application_id = application_id
        self.user_id = user_id
        self.name = name
        self.dialect = dialect
        self.expires_at = expires_at  # the token's, in seconds since 1970
        self.disconnect_at: float | None = None  # the client was told that its token has expired
        self.connection = connection
        self.pace = Pace.CATCHING_UP
        self.cursor = 0
        self.answered = 0
        self._pinged = 0
        self._held: list[bytes] | None = None

    def write(self, frames: bytes) -> None:
        """Sends frames; never waits."""
        self.connection.transport.write(frames)

    def hold(self, frames: bytes) -> None:
        """Keeps a signal for when the session is live. The oldest give way."""
        if self._held is None:
            self._held = []
        self._held.append(frames)
        del self._held[:-MAX_HELD]

    def release(self) -> None:
        """Sends what was held."""
        if self._held:
            self.write(b"".join(self._held))
        self._held = None

    def pinged(self, head: int) -> None:
        """A ping was written after everything up to commit ``head``, or to the cursor of one that catches up."""
        self._pinged = head if self.pace is Pace.LIVE else self.cursor

    def ponged(self) -> None:
        """The last ping was answered."""
        self.answered = self._pinged

    def renew(self, expires_at: float) -> None:
        """A fresh token took the place of the old."""
        self.expires_at = expires_at
        self.disconnect_at = None
