"""What was sent and what was given up: kept for its time, and within a bound."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from legato.log import Log, Upkeep
from legato.store import Store, attempts
from legato.store.attempts import (
    Attempt,
    DeadLetter,
    keep_attempts,
    keep_dead_letters,
    read_attempts,
    read_dead_letters,
)

ENDPOINT = "00000000-0000-4000-8000-000000000001"
NOW = 1_800_000_000.0
KEPT_SECONDS = 600.0


class StandingClock:
    """A clock that stands still."""

    def now(self) -> float:
        """Seconds since 1970."""
        return NOW


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[Log]:
    """On each store."""
    store = Store(database_url)
    await store.open()
    running = Log(store, clock=StandingClock())
    await running.start()
    yield running
    await running.close()
    await store.close()


async def kept(log: Log) -> tuple[list[str], list[str]]:
    """The ids of what is kept, the newest first: of attempts and of dead letters."""
    tried = await log.read(lambda c: read_attempts(c, ENDPOINT, limit=100))
    given_up = await log.read(lambda c: read_dead_letters(c, ENDPOINT, limit=100))
    return [each.webhook_id for each in tried], [each.webhook_id for each in given_up]


async def keep(log: Log, *ages: float) -> None:
    """One attempt and one dead letter for each, so many seconds old, called by their place."""
    told = [
        {"endpoint_id": ENDPOINT, "webhook_id": str(place), "stream": "s", "event_type": "text", "at": NOW - age}
        for place, age in enumerate(ages)
    ]
    await log.transact(lambda c: keep_attempts(c, [Attempt(seconds=0.1, **each) for each in told]))  # type: ignore[arg-type]
    letters = [DeadLetter(reason="answered 500", attempts=5, **each) for each in told]  # type: ignore[arg-type]
    await log.transact(lambda c: keep_dead_letters(c, letters))


async def test_what_was_sent_and_what_was_given_up_is_forgotten_after_its_time(log: Log) -> None:
    await keep(log, 601, 600.5, 599, 0)
    await Upkeep(log, attempt_seconds=KEPT_SECONDS).once()
    assert await kept(log) == (["3", "2"], ["3", "2"])


async def test_no_more_is_kept_than_the_bound_allows(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_KEPT", 2)
    await keep(log, 4, 3, 2, 1)
    await Upkeep(log, attempt_seconds=KEPT_SECONDS).once()
    assert await kept(log) == (["3", "2"], ["3", "2"])
