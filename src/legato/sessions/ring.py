"""The last events that were delivered, in memory: what a client that was away for a moment has missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from legato.conversations import Deletions
from legato.sessions.fanout import Outgoing

# At 100 events a second this reaches back 40 seconds. Texts with their frames take some 12 MB then.
RING_SIZE: Final = 4096
# Bodies may be 32 kB large.
RING_BYTES: Final = 32 * 1024 * 1024


class Ring:
    """Every stored event whose commit number is greater than ``floor``, up to ``head``, in order."""

    __slots__ = ("_bytes", "_outgoing", "_size", "_unweighed", "_weight", "floor", "head")

    def __init__(self, size: int = RING_SIZE, max_bytes: int = RING_BYTES) -> None:
        self._outgoing: deque[Outgoing] = deque()
        self._unweighed: list[Outgoing] = []
        self._size = size
        self._bytes = max_bytes
        self._weight = 0
        self.floor = 0
        self.head = 0

    def begin(self, head: int) -> None:
        """``head`` is the greatest commit number in the log. What came since that was read may be here already."""
        first = self._outgoing[0].commit if self._outgoing else None
        self.floor = head if first is None else first - 1
        self.head = max(self.head, head)

    def restart(self, head: int) -> None:
        """Nothing is known of what came before commit ``head``."""
        self._outgoing.clear()
        self._unweighed.clear()
        self._weight = 0
        self.floor = self.head = head

    def push(self, outgoing: Outgoing, commit: int) -> None:
        """The next event. ``trim`` is to follow when it has been rendered."""
        self._outgoing.append(outgoing)
        self._unweighed.append(outgoing)
        self.head = commit

    def trim(self) -> None:
        """Lets go of the oldest, down to the bounds."""
        for one in self._unweighed:
            self._weight += one.weigh()
        self._unweighed.clear()
        while len(self._outgoing) > self._size or self._weight > self._bytes:
            oldest = self._outgoing.popleft()
            self._weight -= oldest.size
            self.floor = oldest.commit or 0

    def silence(self, deletions: Deletions) -> None:
        """What was deleted is from now on as the log has it."""
        for one in self._outgoing:
            one.silence(deletions)

    def missed(self, user_id: str, after: int) -> Sequence[Outgoing]:
        """What the user's sessions were sent after commit ``after``, which must not be below ``floor``."""
        hears: dict[int, bool] = {}  # whole conversations stand here with one and the same audience
        missed = []
        for one in reversed(self._outgoing):
            if (one.commit or 0) <= after:
                break
            audience = one.audience
            heard = hears.get(id(audience))
            if heard is None:
                heard = hears[id(audience)] = user_id in audience
            if heard and one.excluded != user_id:
                missed.append(one)
        missed.reverse()
        return missed
