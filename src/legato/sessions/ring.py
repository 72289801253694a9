"""The last events that were delivered, in memory: what a client that was away for a moment has missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from legato.sessions.fanout import Outgoing

# An event with its frames takes some 2 kB, so this is 8 MB; at 100 events a second it reaches back 40 seconds.
RING_SIZE: Final = 4096


class Ring:
    """Every stored event whose commit number is greater than ``floor``, up to ``head``, in order."""

    __slots__ = ("_outgoing", "_size", "floor", "head")

    def __init__(self, size: int = RING_SIZE) -> None:
        self._outgoing: deque[Outgoing] = deque()
        self._size = size
        self.floor = 0
        self.head = 0

    def begin(self, head: int) -> None:
        """``head`` is the greatest commit number in the log. What came since that was read may be here already."""
        first = self._outgoing[0].commit if self._outgoing else None
        self.floor = head if first is None else first - 1
        self.head = max(self.head, head)

    def push(self, outgoing: Outgoing, commit: int) -> None:
        """The next event."""
        self._outgoing.append(outgoing)
        self.head = commit
        if len(self._outgoing) > self._size:
            self.floor = self._outgoing.popleft().commit or 0

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
