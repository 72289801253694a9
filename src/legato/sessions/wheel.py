"""One timer for all sockets: a hashed wheel.

::

      slot 0     slot 1     slot 2        …        slot 127
    [ a, b ]   [      ]   [ c ]                  [ d ]
                  ▲ hand: moves on every TICK seconds and calls what has fallen due in the slots it passes

An entry further away than one turn stays in its slot until its turn comes. Nothing is ever taken out: an item remembers
in ``due`` which of its entries counts, and the others are dropped when the hand passes them.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol

log = logging.getLogger(__name__)

# Heartbeats, deadlines and expiries are fine with half a second; a slot then holds some hundred of 10,000 sockets.
TICK_SECONDS: Final = 0.5
# One turn is 64 s: longer than a heartbeat's interval and timeout, so that almost nothing is looked at twice.
SLOTS: Final = 128


class Timed(Protocol):
    """What a wheel calls. ``due`` belongs to the wheel: 0 while the item is not on it."""

    due: float

    def on_time(self, now: float) -> None:
        """Its time has come; it may put itself on the wheel again."""
        ...


class Wheel:
    """Calls items at their time, never early and at most one tick late. Times are seconds of one steady clock."""

    __slots__ = ("_hand", "_slots")

    def __init__(self, now: float) -> None:
        self._hand = int(now / TICK_SECONDS)
        self._slots: list[list[tuple[float, Timed]]] = [[] for _ in range(SLOTS)]

    def put(self, item: Timed, when: float) -> None:
        """Has ``item`` called at ``when``, and not at any time it was put for before."""
        item.due = when
        # What is already due goes under the next slot the hand will pass.
        place = max(int(when / TICK_SECONDS), self._hand)
        self._slots[place % SLOTS].append((when, item))

    def turn(self, now: float) -> None:
        """Moves the hand to ``now`` and calls everything that fell due."""
        target = int(now / TICK_SECONDS)
        start, self._hand = self._hand, target
        if target < start:  # the clock was set back: nothing falls due until it has caught up with the old hand
            self._hand = start
            return
        for place in range(max(start, target - SLOTS), target):
            index = place % SLOTS
            entries, self._slots[index] = self._slots[index], []
            for when, item in entries:
                if item.due != when:
                    continue
                if int(when / TICK_SECONDS) < target:
                    item.due = 0.0
                    try:
                        item.on_time(now)
                    except Exception:  # whatever is wrong with one, the others' time has come too
                        log.exception("what was due could not be done")
                else:
                    self._slots[index].append((when, item))
