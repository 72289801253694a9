"""How many requests were answered and how long that took, in plain numbers that whoever asks may read."""

from __future__ import annotations

from typing import Final

from legato.api.contract import PREFIXES, Generation

# Where a path is of no generation at all: what scanners ask for.
NO_GENERATION: Final = "none"


class Answered:
    """The answers of one generation: ``by_class[4]`` is how many had a status of 4xx."""

    __slots__ = ("by_class", "seconds")

    def __init__(self) -> None:
        self.by_class = [0] * 6
        self.seconds = 0.0  # their sum, from the request's head to an answer that is ready to be sent


class Tally:
    """Two additions for each request. ``generations`` never gains or loses a key."""

    def __init__(self) -> None:
        self.generations = {name: Answered() for name in (*(one.value for one in Generation), NO_GENERATION)}
        self._none = self.generations[NO_GENERATION]
        self._by_prefix = {prefix: self.generations[one.value] for prefix, one in PREFIXES.items()}

    def add(self, path: str, status: int, seconds: float) -> None:
        """A request for ``path`` was answered."""
        answered = self._by_prefix.get(path[1:].partition("/")[0], self._none)
        answered.by_class[status // 100] += 1
        answered.seconds += seconds
