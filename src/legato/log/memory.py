"""What the log keeps in memory of what it has committed: bounded, and never ahead of the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from legato.conversations import Conversation, Target
from legato.events.envelope import Person

K = TypeVar("K")
V = TypeVar("V")

# A member is about 1 kB: this many in memory cost some 50 MB, however they spread over conversations.
MAX_MEMBERS_IN_MEMORY = 50_000
MAX_PEOPLE_IN_MEMORY = 50_000
# A message to a hundred people carries up to two hundred marks (30 kB): a thousand recent ones are 30 MB at the worst.
MAX_MARKS_IN_MEMORY = 200_000


class Recent(Generic[K, V]):
    """The most recently used values whose weights add up to at most ``limit``."""

    def __init__(self, limit: int, weigh: Callable[[V], int] = lambda _value: 1) -> None:
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._limit = limit
        self._weigh = weigh
        self._weight = 0

    def get(self, key: K) -> V | None:
        """The value, which counts as a use."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V) -> None:
        """Keeps ``value``, and lets go of the least recently used ones while the limit is passed."""
        self.drop(key)
        weight = self._weigh(value)
        self._values[key] = (value, weight)
        self._weight += weight
        while self._weight > self._limit and len(self._values) > 1:
            _, (_, gone) = self._values.popitem(last=False)
            self._weight -= gone

    def drop(self, key: K) -> None:
        """Forgets it, if it is there."""
        found = self._values.pop(key, None)
        if found is not None:
            self._weight -= found[1]

    def clear(self) -> None:
        """Forgets everything."""
        self._values.clear()
        self._weight = 0

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)


class Memory:
    """Committed states, people, and the events that receipts are likely to be about.

    ``generation`` counts commits: a value read on the side may be kept only if no commit came between.
    """

    def __init__(self) -> None:
        self.states: Recent[str, Conversation] = Recent(MAX_MEMBERS_IN_MEMORY, lambda s: 1 + len(s.members))
        self.people: Recent[str, Person] = Recent(MAX_PEOPLE_IN_MEMORY)
        self.targets: Recent[tuple[str, int], Target] = Recent(MAX_MARKS_IN_MEMORY, lambda t: 10 + len(t.marks))
        self.generation = 0
