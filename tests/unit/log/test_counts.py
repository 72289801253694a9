"""What the log counts, so that others can tell it."""

from __future__ import annotations

import asyncio

import pytest

from legato.events.refusal import Overloaded, Refusal
from legato.log import COMMIT_BOUNDS, Counts, Log

from .conftest import Desk


async def test_events_batches_and_refusals_are_counted(desk: Desk) -> None:
    counts = desk.log.counts
    ada, bob = desk.person("ada"), desk.person("bob")
    cid = await desk.conversation()
    await desk.join(cid, ada)
    before, events = counts.batches, counts.events
    await asyncio.gather(*(desk.post(cid, ada, "text", {"text": "hello"}) for _ in range(5)))
    assert counts.events == events + 5
    assert counts.batches > before
    assert sum(counts.commits) == counts.batches
    assert counts.commit_seconds > 0
    for refused in range(1, 3):
        with pytest.raises(Refusal):
            await desk.post(cid, bob, "text", {"text": "hello"})
        assert counts.refused == refused
    assert counts.events == events + 5


async def test_who_finds_the_queue_full_is_counted(desk: Desk) -> None:
    narrow = Log(desk.log.store, clock=desk.clock, queue_bound=0)
    with pytest.raises(Overloaded):
        await narrow.transact(lambda connection: None)
    assert (narrow.counts.turned_away, narrow.queued, narrow.queue_bound) == (1, 0, 0)


async def test_a_log_writes_from_its_start_to_its_end(desk: Desk) -> None:
    log = Log(desk.log.store, clock=desk.clock)
    assert not log.is_writing
    await log.start()
    assert log.is_writing
    await log.close()
    assert not log.is_writing


@pytest.mark.parametrize(
    ("seconds", "place"), [(0.0, 0), (COMMIT_BOUNDS[0], 0), (0.0011, 1), (COMMIT_BOUNDS[-1] + 1, len(COMMIT_BOUNDS))]
)
def test_a_commit_is_counted_under_the_first_bound_it_keeps(seconds: float, place: int) -> None:
    counts = Counts()
    counts.committed(1, seconds)
    assert [index for index, count in enumerate(counts.commits) if count] == [place]
