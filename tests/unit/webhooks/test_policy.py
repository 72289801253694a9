"""What an answer means: for the event, its lane and its endpoint."""

from __future__ import annotations

import pytest

from legato.outbound import OutboundError, Reason
from legato.store.endpoints import Endpoint
from legato.webhooks.channel import Channel
from legato.webhooks.policy import LANES_AT_ONCE, Outcome, Policy, Verdict

POLICY = Policy()
NOW = 1_000_000.0


def judge(
    outcome: Outcome, *, attempts: int = 1, failing_for: float = 0.0, succeeded_at: float | None = None
) -> Verdict:
    """The verdict of the default policy."""
    return POLICY.judge(outcome, attempts=attempts, failing_since=NOW - failing_for, succeeded_at=succeeded_at, now=NOW)


def failed(reason: Reason) -> Outcome:
    """No answer."""
    return Outcome(failure=OutboundError(reason, "There was no answer."))


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_every_success_delivers(status: int) -> None:
    assert judge(Outcome(status)) is Verdict.DELIVERED


@pytest.mark.parametrize("status", [301, 400, 401, 404, 500, 502])
def test_an_error_makes_its_lane_wait_and_no_other(status: int) -> None:
    assert judge(Outcome(status)) is Verdict.LANE_WAITS


@pytest.mark.parametrize("status", [429, 503])
def test_who_asks_for_patience_is_given_it_as_a_whole(status: int) -> None:
    assert judge(Outcome(status)) is Verdict.ENDPOINT_WAITS


@pytest.mark.parametrize(
    "reason", [Reason.DNS, Reason.CONNECT, Reason.TLS, Reason.TIMEOUT, Reason.CLOSED, Reason.PROTOCOL]
)
def test_an_endpoint_that_does_not_answer_waits_as_a_whole(reason: Reason) -> None:
    assert judge(failed(reason)) is Verdict.ENDPOINT_WAITS


def test_what_is_our_own_doing_is_not_held_against_the_endpoint() -> None:
    assert judge(failed(Reason.BUSY), attempts=100, failing_for=1e6, succeeded_at=NOW) is Verdict.UNSENT


@pytest.mark.parametrize("reason", [Reason.FORBIDDEN_ADDRESS, Reason.BAD_URL, Reason.BAD_HEADER])
def test_what_can_never_be_sent_is_a_dead_letter_at_once(reason: Reason) -> None:
    assert judge(failed(reason)) is Verdict.DEAD


def test_410_is_the_end_of_an_endpoint() -> None:
    assert judge(Outcome(410)) is Verdict.GONE


@pytest.mark.parametrize(
    ("attempts", "failing_for", "succeeded_after", "verdict"),
    [
        (5, 120.0, True, Verdict.DEAD),
        (4, 120.0, True, Verdict.LANE_WAITS),
        (5, 119.0, True, Verdict.LANE_WAITS),
        (5, 120.0, False, Verdict.LANE_WAITS),
    ],
)
def test_five_errors_over_two_minutes_are_poison_if_other_events_are_taken(
    attempts: int, failing_for: float, succeeded_after: bool, verdict: Verdict
) -> None:
    succeeded_at = NOW - 1 if succeeded_after else NOW - failing_for - 1
    assert judge(Outcome(500), attempts=attempts, failing_for=failing_for, succeeded_at=succeeded_at) is verdict


def test_five_attempts_fit_into_two_minutes_and_later_ones_are_spread_over_days() -> None:
    waits = [POLICY.wait(failures, 0.0) for failures in range(1, 14)]
    assert sum(waits[:4]) == 120.0
    assert waits == sorted(waits)
    assert waits[-1] == waits[-2] == 86_400.0


def test_chance_only_makes_a_wait_longer() -> None:
    assert POLICY.wait(1, 0.0) < POLICY.wait(1, 1.0) <= POLICY.wait(1, 0.0) * 1.2


def channel(**fields: object) -> Channel:
    """An endpoint that is well unless ``fields`` say otherwise."""
    return Channel(Endpoint(id="a", application_id="a", url="https://hook.example/", **fields), POLICY)  # type: ignore[arg-type]


def test_an_endpoint_that_fails_is_asked_by_one_lane_until_it_takes_something() -> None:
    it = channel()
    assert it.room(NOW) == LANES_AT_ONCE
    it.failed(Outcome(503), NOW, NOW, 0.0, waits=True)
    assert it.room(NOW + 4.9) == 0
    assert it.room(NOW + 5.0) == 1
    it.succeeded(NOW + 5.0)
    assert it.room(NOW + 5.0) == LANES_AT_ONCE


def test_attempts_that_were_under_way_together_fail_as_one() -> None:
    it = channel()
    for _ in range(LANES_AT_ONCE):
        it.failed(failed(Reason.CONNECT), NOW, NOW + 1, 0.0, waits=True)
    assert (it.endpoint.failures, it.endpoint.due_at) == (1, NOW + 6)


def test_an_endpoint_that_answers_every_event_with_an_error_waits_as_a_whole_too() -> None:
    it = channel()
    for attempt in range(5):
        it.failed(Outcome(500), NOW + attempt, NOW + attempt, 0.0, waits=False)
    assert it.endpoint.due_at > NOW


@pytest.mark.parametrize("outcome", [Outcome(429), failed(Reason.TIMEOUT)], ids=("429", "timeout"))
def test_slow_answers_and_429_halve_what_an_endpoint_is_sent_at_a_time(outcome: Outcome) -> None:
    it = channel()
    it.failed(outcome, NOW, NOW, 0.0, waits=True)
    it.succeeded(NOW + 10)
    assert it.room(NOW + 10) == LANES_AT_ONCE // 2
    for _ in range(100):
        it.succeeded(NOW + 11)
    assert it.room(NOW + 11) == LANES_AT_ONCE


@pytest.mark.parametrize("outcome", [Outcome(429), failed(Reason.TIMEOUT)], ids=("429", "timeout"))
def test_an_endpoint_that_is_slow_for_long_is_sent_one_lane_at_a_time_and_never_none(outcome: Outcome) -> None:
    it = channel()
    for attempt in range(2 * LANES_AT_ONCE):
        it.failed(outcome, NOW + attempt, NOW + attempt, 0.0, waits=True)
    it.succeeded(NOW + 1e6)
    assert it.room(NOW + 1e6) == 1


@pytest.mark.parametrize(
    "outcome", [Outcome(503), failed(Reason.CONNECT), failed(Reason.CLOSED)], ids=("503", "connect", "closed")
)
def test_what_says_nothing_of_speed_leaves_what_is_sent_at_a_time_as_it_is(outcome: Outcome) -> None:
    it = channel()
    it.failed(outcome, NOW, NOW, 0.0, waits=True)
    it.succeeded(NOW + 10)
    assert it.room(NOW + 10) == LANES_AT_ONCE


def test_retry_after_is_kept_when_it_is_longer_than_the_schedule() -> None:
    it = channel()
    it.failed(Outcome(503, retry_after=60.0), NOW, NOW, 0.0, waits=True)
    assert it.endpoint.due_at == NOW + 60


def test_an_endpoint_that_takes_nothing_for_days_is_disabled() -> None:
    it = channel(failing_since=NOW - POLICY.give_up)
    told = it.failed(failed(Reason.DNS), NOW, NOW, 0.0, waits=True)
    assert (told["state"], it.room(NOW + 1e9)) == ("disabled", 0)


def test_who_takes_something_during_a_wait_and_asks_for_patience_again_is_given_it_again() -> None:
    it = channel()
    it.failed(Outcome(429, retry_after=3_600.0), NOW, NOW, 0.0, waits=True)
    it.succeeded(NOW + 1)  # of a lane that had begun before
    it.failed(Outcome(429, retry_after=3_600.0), NOW + 2, NOW + 2, 0.0, waits=True)
    assert (it.endpoint.due_at, it.room(NOW + 3)) == (NOW + 3_602, 0)


def test_an_endpoint_that_was_changed_is_asked_about_again_whatever_was_known_of_it() -> None:
    it = channel()
    it.gone()
    assert it.room(NOW) == 0
    it.doubt()
    it.working.add("a lane")
    assert it.room(NOW) == LANES_AT_ONCE - 1


def test_what_another_node_has_seen_of_an_endpoint_counts_when_it_is_newer() -> None:
    it = channel()
    it.failed(failed(Reason.CONNECT), NOW, NOW, 0.0, waits=True)
    assert it.endpoint.failing_since == NOW
    it.read_again(channel(succeeded_at=NOW - 1).endpoint)  # of before: what this node knows is newer
    assert it.endpoint.failing_since == NOW
    it.read_again(channel(succeeded_at=NOW + 1).endpoint)
    assert (it.endpoint.failing_since, it.room(NOW + 1)) == (None, LANES_AT_ONCE)


def test_a_success_here_ends_what_the_store_holds_against_an_endpoint() -> None:
    it = channel()
    it.read_again(channel(failing_since=NOW - 100, failures=3, why="another node could not").endpoint)
    told = it.succeeded(NOW)
    assert (told["failing_since"], told["failures"], told["why"]) == (None, 0, None)
    assert "failing_since" not in it.succeeded(NOW + 100)


def test_an_endpoint_that_took_others_is_not_held_to_an_event_that_was_given_up() -> None:
    it = channel()
    for attempt in range(5):
        it.failed(Outcome(500), NOW + attempt, NOW + attempt, 0.0, waits=False)
    told = it.gave_up(NOW + 125)
    assert (told["failing_since"], told["failures"], told["due_at"], told["why"]) == (None, 0, 0.0, None)
    later = it.failed(Outcome(503), NOW + POLICY.give_up, NOW + POLICY.give_up, 0.0, waits=True)
    assert "state" not in later
    assert it.gave_up(NOW + POLICY.give_up + 1) == {}  # it waits, and will be asked again
    assert it.endpoint.failing_since == NOW + POLICY.give_up


def test_an_endpoint_that_fails_after_the_clock_was_set_back_waits_all_the_same() -> None:
    it = channel()
    it.failed(Outcome(503), NOW, NOW, 0.0, waits=True)
    it.succeeded(NOW + 10)
    it.failed(Outcome(503), NOW - 3_000, NOW - 3_000, 0.0, waits=True)
    assert it.endpoint.due_at == NOW - 2_995
    assert it.room(NOW - 3_000) == 0
