"""What the log has done since the server started, in plain numbers that whoever asks may read."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

# Seconds that a commit may take: a disk that syncs in a millisecond, one that turns, and one that is in trouble.
COMMIT_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(slots=True)
class Counts:
    """Written by the log, once for each batch or request and never for a delivery; anybody else only reads."""

    events: int = 0  # appended
    batches: int = 0  # committed
    batches_failed: int = 0
    refused: int = 0  # commands that were decided against
    turned_away: int = 0  # requests that found the queue full
    followed: int = 0  # events that other nodes had appended
    looked: int = 0  # times that the database was read for them, because the bus had not said it all
    decided_again: int = 0  # batches that another node had overtaken
    commit_seconds: float = 0.0
    # How many commits took up to each bound and longer than the one before; the last, longer than all.
    commits: list[int] = field(default_factory=lambda: [0] * (len(COMMIT_BOUNDS) + 1))

    def committed(self, events: int, seconds: float) -> None:
        """A batch with so many events is durable; its commit took so long."""
        self.events += events
        self.batches += 1
        self.commit_seconds += seconds
        self.commits[bisect_left(COMMIT_BOUNDS, seconds)] += 1
