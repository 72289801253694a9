"""One node that leases: whose lanes it begins, when, and what it remembers of whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

import pytest
from sqlalchemy import Connection
from tests.unit.webhooks.conftest import NOW, URL, House

from legato.store.endpoints import change_endpoint, remove_endpoint
from legato.store.leases import Lease, Page, Progress, first_pages
from legato.store.replays import resume_endpoint
from legato.testing.waiting import PATIENCE_SECONDS
from legato.webhooks.channel import Channel
from legato.webhooks.leasing import Leasing
from legato.webhooks.ledger import LEASE_SECONDS
from legato.webhooks.policy import Outcome, Policy

T = TypeVar("T")


class Hours:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        """Seconds since 1970."""
        return self.time


class Desk:
    """A node that leases, and works on nothing."""

    def __init__(self, house: House) -> None:
        self.clock = Hours()
        self.before_pages: Callable[[], None] = lambda: None
        self.after_leasing: Callable[[], None] = lambda: None
        self._house = house
        self._begun: asyncio.Queue[tuple[Channel, Lease]] = asyncio.Queue()
        self.leasing = Leasing(
            node="node",
            read=self._read,
            write=self._write,
            clock=self.clock,
            policy=Policy(),
            begin=self._begin,
        )

    async def _read(self, work: Callable[[Connection], T]) -> T:
        if isinstance(work, partial) and work.func is first_pages:
            self.before_pages()
        return await self._house.log.read(work)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        found = await self._house.log.transact(work)
        self.after_leasing()
        return found

    def _begin(self, channel: Channel, lease: Lease, first: Page | None) -> None:
        self._begun.put_nowait((channel, lease))

    async def next(self) -> tuple[Channel, str]:
        """The lane that is leased next."""
        channel, lease = await asyncio.wait_for(self._begun.get(), PATIENCE_SECONDS)
        return channel, lease.stream


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    """The only node."""
    desk = Desk(house)
    desk.leasing.start()
    yield desk
    await desk.leasing.close()


async def test_a_lane_whose_lease_has_run_out_is_not_begun_again_by_whoever_still_works_on_it(
    house: House, desk: Desk
) -> None:
    first = await house.conversation()
    desk.leasing.changed(house.application)
    assert {(await desk.next())[1] for _ in range(2)} == {house.application, first}
    desk.clock.time += LEASE_SECONDS + 1
    second = await house.conversation()
    desk.leasing.wake([house.application])
    assert (await desk.next())[1] == second
    assert desk.leasing.working == 3


async def test_an_endpoint_that_is_switched_on_again_while_its_lanes_are_worked_on_is_sent_the_others(
    house: House, desk: Desk
) -> None:
    await house.conversation()
    desk.leasing.changed(house.application)
    channel, _ = await desk.next()
    await desk.next()
    await house.log.transact(partial(change_endpoint, endpoint_id=house.application, **channel.gone()))
    await house.log.transact(partial(resume_endpoint, endpoint_id=house.application, now=NOW))
    desk.leasing.changed(house.application)
    other = await house.conversation()
    desk.leasing.wake([house.application])
    assert await desk.next() == (channel, other)


async def test_lanes_of_an_endpoint_that_is_changed_while_they_are_read_are_counted_back(
    house: House, desk: Desk
) -> None:
    desk.before_pages = lambda: desk.leasing.changed(house.application)
    cid = await house.conversation()
    desk.leasing.changed(house.application)
    begun = {(await desk.next())[1] for _ in range(2)}
    assert (begun, desk.leasing.working) == ({house.application, cid}, 2)
    done = [Progress(endpoint_id=house.application, stream=each, cursor=1, release=True) for each in begun]
    desk.leasing.saved(done, ())
    assert desk.leasing.working == 0


async def test_endpoints_that_are_no_more_are_forgotten_unless_a_lane_is_still_worked_on(
    house: House, desk: Desk
) -> None:
    gone, busy = [await house.conversation(url=URL) for _ in range(2)]
    for cid in (gone, busy):
        desk.leasing.changed(cid)
    channels: dict[str, Channel] = {}
    while not {gone, busy} <= channels.keys():
        channel, _ = await desk.next()
        channels[channel.endpoint.id] = channel
    channels[gone].failed(Outcome(503), NOW, NOW, 0.0, waits=True)
    desk.leasing.saved([Progress(endpoint_id=gone, stream=gone, cursor=0, release=True)], ())
    assert {gone, busy} <= desk.leasing.remembered
    for cid in (gone, busy):
        await house.log.transact(partial(remove_endpoint, endpoint_id=cid))
    await desk.leasing.forget_removed()
    assert desk.leasing.remembered == {house.application, busy}


async def test_whoever_has_missed_what_was_changed_reads_every_endpoint_again(house: House, desk: Desk) -> None:
    await house.conversation()
    desk.leasing.changed(house.application)
    channel, _ = await desk.next()
    await desk.next()
    await house.log.transact(partial(change_endpoint, endpoint_id=house.application, **channel.gone()))
    await house.log.transact(partial(resume_endpoint, endpoint_id=house.application, now=NOW))
    desk.leasing.doubt_all()
    other = await house.conversation()
    desk.leasing.wake([house.application])
    assert await desk.next() == (channel, other)


async def test_what_another_node_gets_through_is_not_waited_for_here(house: House, desk: Desk) -> None:
    await house.conversation()
    desk.leasing.changed(house.application)
    channel, _ = await desk.next()
    await desk.next()
    channel.failed(Outcome(503, retry_after=3_600.0), NOW, NOW, 0.0, waits=True)
    other = await house.conversation()
    desk.leasing.wake([house.application])
    desk.clock.time += 10  # it took something of another node's, which has told the store and nobody else
    well = {"succeeded_at": NOW + 5, "due_at": 0.0, "failures": 0, "failing_since": None}
    await house.log.transact(partial(change_endpoint, endpoint_id=house.application, **well))
    assert await desk.next() == (channel, other)
    assert channel.endpoint.failing_since is None


async def test_what_is_changed_while_its_lanes_are_leased_is_read_again(house: House, desk: Desk) -> None:
    await house.conversation()
    desk.after_leasing = desk.leasing.doubt_all  # before this node knows what it has read
    desk.leasing.changed(house.application)
    channel, _ = await desk.next()
    assert channel.is_stale
