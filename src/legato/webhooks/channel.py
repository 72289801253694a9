"""An endpoint as this node knows it: how it fares, how many of its lanes are worked on, when it may be asked again."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from legato.events.moment import iso
from legato.outbound import Reason
from legato.store.endpoints import Endpoint
from legato.webhooks.policy import (
    LANES_AT_ONCE,
    MAX_RETRY_AFTER_SECONDS,
    POISON_ATTEMPTS,
    SUCCESSES_PER_LANE,
    Outcome,
    Policy,
)

# Successes are told to the store this often at the most: they are many, and the poison rule looks here first.
TELL_SECONDS: Final = 5.0


class Channel:
    """One endpoint. ``working`` are the streams that are leased; ``endpoint`` is as it was read last."""

    __slots__ = (
        "_began",
        "_errors",
        "_failed_at",
        "_is_failing_in_store",
        "_limit",
        "_policy",
        "_streak",
        "_told_at",
        "applied",
        "doubts",
        "endpoint",
        "has_news",
        "is_stale",
        "readings",
        "working",
    )

    def __init__(self, endpoint: Endpoint, policy: Policy) -> None:
        self.endpoint = endpoint
        self.working: set[str] = set()
        self.is_stale = False  # somebody has changed it since it was read
        self.doubts = 0  # how often somebody has: a reading that began before the last one settles nothing
        self.readings = 0  # that have begun; ``applied`` is the latest whose result counts: what began earlier is older
        self.applied = 0
        self.has_news = False  # something has happened since its streams were read
        self._policy = policy
        self._limit = LANES_AT_ONCE
        self._streak = 0  # successes since the limit was last changed
        self._errors = 0  # answers other than success, since the last success
        self._began = endpoint.due_at  # when this round of attempts began: what was sent earlier belongs to the last
        self._told_at = 0.0
        self._failed_at = 0.0
        self._is_failing_in_store = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being sent to it, and the store says all there is to know of its health."""
        return not self.working and self.endpoint.failing_since is None

    @property
    def is_at_work_on_all(self) -> bool:
        """Whether whatever happens next concerns a lane that is worked on already: it hears one conversation alone."""
        return self.endpoint.conversation_id in self.working

    def doubt(self) -> None:
        """Somebody has changed it: nothing is begun until it is read again."""
        self.is_stale = True
        self.doubts += 1

    def room(self, now: float) -> int:
        """How many more lanes may be worked on. One that fails is asked by one lane until it takes something."""
        if self.is_stale:  # what is known of it may be over; whoever leases reads it again
            return max(0, self._limit - len(self.working))
        if self.endpoint.state != "active" or now < self.endpoint.due_at:
            return 0
        return max(0, (1 if self.endpoint.failures else self._limit) - len(self.working))

    def read_again(self, stored: Endpoint) -> None:
        """The endpoint as it stands in the store, where what this node knows of its health may be still to come."""
        if stored.as_of != self.endpoint.as_of or stored.state != self.endpoint.state:
            self.endpoint = stored  # somebody has changed it: what was known of the other is worth nothing
            self._began, self._errors = stored.due_at, 0
            return
        mine = self.endpoint
        if mine.failing_since is not None and (stored.succeeded_at or 0.0) > self._failed_at:
            self.endpoint = stored  # another node has been more fortunate since
            self._began, self._errors = stored.due_at, 0
            return
        self._is_failing_in_store = stored.failing_since is not None  # another node has not
        self.endpoint = replace(
            stored,
            due_at=max(stored.due_at, mine.due_at) if mine.failures else mine.due_at,
            failures=mine.failures,
            failing_since=mine.failing_since,
            succeeded_at=max(stored.succeeded_at or 0.0, mine.succeeded_at or 0.0) or None,
        )

    def succeeded(self, now: float) -> dict[str, Any]:
        """It took an event. What the store is to be told of that, nothing most of the time."""
        was_failing = self._is_failing
        self._errors = 0
        self._streak += 1
        if self._streak >= SUCCESSES_PER_LANE and self._limit < LANES_AT_ONCE:
            self._limit, self._streak = self._limit + 1, 0
        health: dict[str, Any] = {"succeeded_at": now}
        if was_failing:
            health |= self._relieved(now)
        self.endpoint = replace(self.endpoint, **health)
        if not was_failing and now - self._told_at < TELL_SECONDS:
            return {}
        self._told_at = now
        return health

    def failed(self, outcome: Outcome, begun: float, now: float, chance: float, *, waits: bool) -> dict[str, Any]:
        """It did not take an event. ``waits``: nothing is sent to it for a while, other lanes' events included.

        What the store is to be told. Failures of attempts that were under way together count as one.
        """
        self._errors += 1
        self._streak = 0
        self._failed_at = now
        health: dict[str, Any] = {"failing_since": self.endpoint.failing_since or begun, "why": outcome.told}
        if waits or self._errors >= POISON_ATTEMPTS:
            health |= self._wait(outcome, begun, now, chance)
        if now - health["failing_since"] >= self._policy.give_up:
            why = f"took nothing since {iso(health['failing_since'])}; the last attempt: {outcome.told}"
            health |= {"state": "disabled", "why": why}
        self.endpoint = replace(self.endpoint, **health)
        return health

    def gave_up(self, now: float) -> dict[str, Any]:
        """An event that it would not take is given up, since it takes others: nothing is held against it any more.

        Unless it waits, for then it is asked again. What the store is to be told.
        """
        if not self._is_failing or now < self.endpoint.due_at:
            return {}
        health = self._relieved(now)
        self.endpoint = replace(self.endpoint, **health)
        return health

    def gone(self) -> dict[str, Any]:
        """It answered that it is no more. What the store is to be told."""
        health: dict[str, Any] = {"state": "disabled", "why": "answered 410 Gone"}
        self.endpoint = replace(self.endpoint, **health)
        return health

    @property
    def _is_failing(self) -> bool:
        return self.endpoint.failing_since is not None or self._is_failing_in_store

    def _relieved(self, now: float) -> dict[str, Any]:
        """Its health, now that nothing is held against it."""
        self._is_failing_in_store = False
        self._errors = 0
        self._began = now  # the wait is over, whatever is left of it: who fails from here on waits again
        return {"failures": 0, "failing_since": None, "due_at": 0.0, "why": None}

    def _wait(self, outcome: Outcome, begun: float, now: float, chance: float) -> dict[str, Any]:
        is_slow = outcome.failure is not None and outcome.failure.reason is Reason.TIMEOUT
        if outcome.status == 429 or is_slow:
            self._limit = max(1, self._limit // 2)
        is_set_back = self._began > now >= self.endpoint.due_at  # the clock: nobody waits until then
        if begun < self._began and not is_set_back:
            return {}
        failures = self.endpoint.failures + 1
        patience = self._policy.wait(failures, chance)
        if outcome.retry_after is not None:
            patience = max(patience, min(outcome.retry_after, MAX_RETRY_AFTER_SECONDS))
        self._began = now + patience
        return {"failures": failures, "due_at": self._began}
