"""What an answer means for the event, its lane and its endpoint. Pure: values in, values out.

::

    2xx                          the event is delivered
    410                          the endpoint is switched off
    429, 503, no answer          the endpoint waits, all its lanes with it
    any other answer             the lane waits; when the endpoint takes other events meanwhile, five errors over
                                 two minutes make the event a dead letter and the lane goes on
    a forbidden address          the event is a dead letter at once: trying again would not help
    no free connection of ours   the lane waits, and neither the event nor the endpoint is to blame

An endpoint that takes nothing waits longer from round to round, over days, and is then switched off.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

import msgspec

from legato.outbound import OutboundError, Reason

# Multiples of the first wait: 5 s, 15 s, 30 s, 70 s (five attempts in two minutes), 5 min, 30 min, 2 h, 5 h, 10 h,
# 14 h, 20 h, then daily.
STEPS: Final = (1, 3, 6, 14, 60, 360, 1_440, 3_600, 7_200, 10_080, 14_400, 17_280)
FIRST_WAIT_SECONDS: Final = 5.0
# Retries of many lanes and endpoints are spread over this share of their wait.
JITTER: Final = 0.2
POISON_ATTEMPTS: Final = 5
# An endpoint that asks for more patience than this is asked again all the same.
MAX_RETRY_AFTER_SECONDS: Final = 24 * 3600.0
# Lanes of one endpoint that are worked on at a time, and how many successes raise it again after it was lowered.
LANES_AT_ONCE: Final = 8
SUCCESSES_PER_LANE: Final = 10


_HOPELESS: Final = frozenset((Reason.FORBIDDEN_ADDRESS, Reason.BAD_URL, Reason.BAD_HEADER))


class Verdict(enum.Enum):
    """What becomes of an event after an attempt."""

    DELIVERED = "delivered"
    UNSENT = "not sent"
    LANE_WAITS = "lane waits"
    ENDPOINT_WAITS = "endpoint waits"
    DEAD = "dead letter"
    GONE = "endpoint gone"


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended: an answer's status, or the reason why there was none."""

    status: int | None = None
    failure: OutboundError | None = None
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the event was taken."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Whether the answer sends us elsewhere: whoever answers does not choose whom this server asks."""
        return self.status in (301, 302, 303, 307, 308)

    @property
    def told(self) -> str:
        """In words, for people."""
        if self.failure is not None:
            return str(self.failure)
        return f"answered {self.status}" + (", and redirects are not followed" if self.is_redirect else "")


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient to be. Seconds. ``give_up`` is how long an endpoint may fail at everything before it is disabled."""

    first_wait: float = FIRST_WAIT_SECONDS
    poison_after: float = 120.0
    give_up: float = 5 * 24 * 3600.0

    def wait(self, failures: int, chance: float) -> float:
        """How long after so many failures in a row (1 or more); ``chance`` from 0 to 1 spreads it."""
        step = STEPS[min(failures, len(STEPS)) - 1]
        return self.first_wait * step * (1 + JITTER * chance)

    def judge(
        self, outcome: Outcome, *, attempts: int, failing_since: float, succeeded_at: float | None, now: float
    ) -> Verdict:
        """``attempts`` at this event, this one included, the first of which failed at ``failing_since``.

        ``succeeded_at`` is when the endpoint last took anything.
        """
        failure, status = outcome.failure, outcome.status
        if failure is not None:
            if failure.reason in _HOPELESS:
                return Verdict.DEAD
            return Verdict.UNSENT if failure.reason is Reason.BUSY else Verdict.ENDPOINT_WAITS
        if outcome.is_success:
            return Verdict.DELIVERED
        if status == 410:  # RFC 9110 15.5.11: likely to be permanent
            return Verdict.GONE
        if status in (429, 503):
            return Verdict.ENDPOINT_WAITS
        takes_others = succeeded_at is not None and succeeded_at > failing_since
        if attempts >= POISON_ATTEMPTS and now - failing_since >= self.poison_after and takes_others:
            return Verdict.DEAD
        return Verdict.LANE_WAITS
