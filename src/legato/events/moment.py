"""Time, as the API writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; domain rooms are given one and never read the clock themselves."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return datetime.now(UTC).timestamp()


class SharedClock:
    """The machine's clock, set by another that several machines share: ``offset`` is how far that one is ahead."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return datetime.now(UTC).timestamp() + self.offset


def iso(seconds: float) -> str:
    """ISO 8601, UTC, milliseconds, ``Z``: the one spelling of time on every wire."""
    moment = datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def parse_iso(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 text; a text without a zone is read as UTC. ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
