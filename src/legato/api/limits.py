"""Rate limits: a token bucket for each caller, in a table that cannot grow without bound."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from legato.events.refusal import Overloaded

# A bucket is about 200 bytes. The least recently used one goes first: it has refilled by then, or soon would.
MAX_BUCKETS: Final = 50_000


class Door(Protocol):
    """What bounds attempts to come in, by the address that they come from."""

    @property
    def refused(self) -> int:
        """How many were not let through, since the start."""
        ...

    def knock(self, address: str | None) -> None:
        """Somebody is about to prove who it is. Raises Overloaded when too many from that address failed to."""
        ...

    def welcome(self, address: str | None) -> None:
        """It did: this knock does not count."""
        ...


class Buckets:
    """A bucket per key: ``burst`` requests at once, ``rate`` per second after that. A rate of 0 never refuses."""

    def __init__(
        self, rate: float, burst: float, *, now: Callable[[], float] = time.monotonic, bound: int = MAX_BUCKETS
    ) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._now = now
        self._bound = bound
        self.refused = 0  # requests, since the start
        self._buckets: OrderedDict[str, list[float]] = OrderedDict()  # key → [tokens, when]

    def take(self, key: str) -> None:
        """Takes one token. Raises Overloaded, with the time until there is one."""
        if not self._rate:
            return
        now = self._now()
        bucket = self._buckets.get(key)
        if bucket is None:
            self._buckets[key] = [self._burst - 1.0, now]
            if len(self._buckets) > self._bound:
                self._buckets.popitem(last=False)
            return
        self._buckets.move_to_end(key)
        tokens = min(self._burst, bucket[0] + (now - bucket[1]) * self._rate)
        bucket[1] = now
        if tokens < 1.0:
            bucket[0] = tokens
            self.refused += 1
            raise Overloaded(
                "Too many requests.", code="http:error:too-many-requests", retry_after=(1.0 - tokens) / self._rate
            )
        bucket[0] = tokens - 1.0

    def give(self, key: str) -> None:
        """Puts a token back that was taken. Nothing happens when the bucket was forgotten meanwhile."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket[0] = min(self._burst, bucket[0] + 1.0)

    def __len__(self) -> int:
        return len(self._buckets)
