"""Waiting for a condition, with a bound, instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

# For anything that a test awaits, on whatever machine and whatever else runs there: only what fails takes as long.
PATIENCE_SECONDS: Final = 60.0

_PAUSE = 0.02  # seconds between two looks at something that cannot call back: a process, a port


class ConditionError(AssertionError):
    """A condition did not come true in time."""


def poll(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Look until ``condition`` is true; for what has no way to tell us. Raises ConditionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ConditionError(f"after {seconds:g} s still not true: {what}")
        time.sleep(_PAUSE)
