"""What is measured: rows with what they must reach, runs with what they reached, and whether a run counts."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from bench.fleet import Measured
from bench.machine import FOREIGN_SHARE

# Above this the load client, not the server, may have been what limited the run.
MOST_CLIENT_SHARE: Final = 0.80


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. ``unit`` follows the number; ``digits`` are those after the point.

    It takes ``runs`` of them at least.
    """

    key: str
    title: str
    must: float
    better: Literal["more", "less"]
    unit: str
    digits: int = 0
    runs: int = 0

    def is_met(self, value: float) -> bool:
        """Whether ``value`` reaches what it must."""
        return value >= self.must if self.better == "more" else value <= self.must

    def shown(self, value: float) -> str:
        """The number with its unit."""
        return f"{value:,.{self.digits}f}{self.unit}"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one row: shares are of a core, and ``faults`` make the run void."""

    value: float
    server_share: float | None = None
    client_share: float | None = None
    foreign_share: float = 0.0
    faults: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_noisy(self) -> bool:
        """Whether somebody else used the server's core."""
        return self.foreign_share > FOREIGN_SHARE


def run(value: float, measured: Measured, *, note: str = "", faults: tuple[str, ...] = ()) -> Run:
    """A run from what the load client measured, with the faults that any load can have."""
    seconds = measured["seconds"]
    client = measured["client_cpu_s"] / seconds
    found = list(faults)
    if client > MOST_CLIENT_SHARE:
        found.append(f"the client's core was {client:.0%} busy")
    for count, what in (("refused", "requests were refused"), ("unanswered", "requests had no answer")):
        if measured.get(count, 0):
            found.append(f"{measured[count]} {what}")
    if measured.get("disorder", 0):
        found.append(f"{measured['disorder']} events were out of order or repeated")
    if measured.get("lost_sessions", 0):
        found.append(f"{measured['lost_sessions']} sessions were lost")
    return Run(
        value,
        measured["server_cpu_s"] / seconds,
        client,
        max(0.0, measured["core0_s"] - measured["server_cpu_s"]) / seconds,
        tuple(found),
        note,
    )


@dataclass(slots=True)
class Result:
    """The runs of a row so far."""

    row: Row
    runs: list[Run] = field(default_factory=list)

    @property
    def counting(self) -> list[Run]:
        """Runs without faults; undisturbed ones alone if there are any."""
        sound = [each for each in self.runs if not each.faults]
        return [each for each in sound if not each.is_noisy] or sound

    @property
    def value(self) -> float | None:
        """The median of the runs that count; None when none does."""
        counting = self.counting
        return statistics.median(each.value for each in counting) if counting else None

    @property
    def is_met(self) -> bool:
        """Whether the median reaches what the row must."""
        return self.value is not None and self.row.is_met(self.value)


# A scenario gives a run for each of its rows.
Scenario = Callable[[], dict[str, Run]]
