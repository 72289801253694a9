"""Token buckets."""

from __future__ import annotations

import pytest

from legato.api.limits import Buckets
from legato.api.settings import APPLICATION_RATE, USER_BURST, USER_RATE
from legato.events.refusal import Overloaded


class Now:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_burst_passes_and_the_next_request_is_told_when_to_come_back() -> None:
    buckets = Buckets(2.0, 5.0, now=Now())
    for _ in range(5):
        buckets.take("alice")
    with pytest.raises(Overloaded) as caught:
        buckets.take("alice")
    assert caught.value.retry_after == pytest.approx(0.5)
    buckets.take("bob")
    assert buckets.refused == 1


def test_a_bucket_refills_at_its_rate_up_to_its_burst() -> None:
    now = Now()
    buckets = Buckets(2.0, 5.0, now=now)
    for _ in range(5):
        buckets.take("alice")
    now.seconds = 1.0
    buckets.take("alice")
    buckets.take("alice")
    with pytest.raises(Overloaded):
        buckets.take("alice")
    now.seconds = 1_000.0
    for _ in range(5):
        buckets.take("alice")
    with pytest.raises(Overloaded):
        buckets.take("alice")


def test_a_refused_request_costs_nothing() -> None:
    now = Now()
    buckets = Buckets(1.0, 1.0, now=now)
    buckets.take("alice")
    for tenth in range(1, 10):
        now.seconds = tenth / 10
        with pytest.raises(Overloaded):
            buckets.take("alice")
    now.seconds = 1.01
    buckets.take("alice")


def test_a_rate_of_zero_never_refuses() -> None:
    buckets = Buckets(0.0, 1.0, now=Now())
    for _ in range(1_000):
        buckets.take("alice")
    assert len(buckets) == 0


def test_the_table_is_bounded_and_forgets_who_was_quiet_longest() -> None:
    buckets = Buckets(1.0, 1.0, now=Now(), bound=2)
    for name in ("alice", "bob"):
        buckets.take(name)
    with pytest.raises(Overloaded):
        buckets.take("alice")
    buckets.take("carol")
    assert len(buckets) == 2
    with pytest.raises(Overloaded):
        buckets.take("alice")
    buckets.take("bob")


def test_the_defaults_never_refuse_what_clients_do_by_themselves() -> None:
    # Ten texts a second to a room of 100: each client reads its own member and posts `delivered` and `seen`, and one
    # that comes back receipts a page of 100 events at once.
    assert USER_RATE >= 10 * 4
    assert USER_BURST >= 100 * 4
    assert APPLICATION_RATE >= 100 * 10 * 4
