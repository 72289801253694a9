"""Lanes in the store: moved with their events, leased by one node at a time, kept until what they promise is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import pytest

from legato.conversations import Caller, CreateConversation, DeleteConversation, PostEvent
from legato.events.ids import RandomIds
from legato.log import Log, Upkeep
from legato.store import Store
from legato.store.applications import Application, delete_application, insert_application
from legato.store.endpoints import read_endpoint, read_endpoints
from legato.store.leases import (
    Lease,
    Progress,
    Waiting,
    due_endpoints,
    lease_lanes,
    release_leases,
    save_progress,
    waiting_events,
)
from legato.store.replays import backlog

NOW = 1_800_000_000.0
URL = "https://hook.example/"
ids = RandomIds()


class MovedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        """Seconds since 1970."""
        return self.time


@dataclass
class Desk:
    """A log, and an application with an event URL."""

    log: Log
    clock: MovedClock
    application: str

    @property
    def admin(self) -> Caller:
        """The application."""
        return Caller(self.application)

    async def conversation(self, events: int = 3, **fields: object) -> str:
        """A conversation with so many events."""
        cid = f"CON-{ids.uuid()}"
        await self.log.submit(CreateConversation(conversation_id=cid, by=self.admin, name=cid, **fields))  # type: ignore[arg-type]
        for number in range(events):
            await self.post(cid, number)
        return cid

    async def post(self, cid: str, number: int) -> None:
        """One more event."""
        await self.log.submit(
            PostEvent(conversation_id=cid, by=self.admin, type="custom:step", body={"number": number})
        )

    async def lease(self, node: str, now: float = NOW, limit: int = 10) -> dict[str, Lease]:
        """What ``node`` gets for 20 seconds, by stream."""
        leased = await self.log.transact(
            partial(lease_lanes, rooms={self.application: limit}, node=node, now=now, until=now + 20)
        )
        return {each.stream: each for each in leased}

    async def waiting(self, lease: Lease) -> list[Waiting]:
        """What a lane has, from its beginning."""
        page = await self.log.read(partial(waiting_events, lease=lease, after=0, limit=10))
        return [] if page is None else page.events

    async def save(self, node: str, *progress: Progress) -> None:
        """Writes down where ``node`` says that lanes are."""
        await self.log.transact(partial(save_progress, node=node, progress=progress, now=NOW, until=NOW + 20))

    async def tell_all(self, node: str = "teller") -> None:
        """Delivers everything that waits."""
        for lease in (await self.lease(node, limit=100)).values():
            done = Progress(endpoint_id=lease.endpoint_id, stream=lease.stream, cursor=lease.head, release=True)
            await self.save(node, done)


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """On each store."""
    store = Store(database_url)
    await store.open()
    clock = MovedClock()
    log = Log(store, clock=clock)
    await log.start()
    application = ids.uuid()
    rtc = {"webhooks": {"event_url": {"address": URL}}}
    made = Application(id=application, name="x", public_key="pem", created_at=1.0, capabilities={"rtc": rtc})
    await log.transact(partial(insert_application, application=made))
    yield Desk(log, clock, application)
    await log.close()
    await store.close()


async def test_a_lane_holds_what_its_conversation_has_and_in_that_order(desk: Desk) -> None:
    cid = await desk.conversation(events=3)
    lease = (await desk.lease("one"))[cid]
    assert (lease.cursor, lease.head) == (0, 3)
    page = await desk.log.read(partial(waiting_events, lease=lease, after=1, limit=10))
    assert page is not None
    assert (page.head, [(each.id, each.webhook_id) for each in page.events]) == (3, [(2, f"{cid}_2"), (3, f"{cid}_3")])


async def test_the_applications_own_stream_has_ids_of_its_own(desk: Desk) -> None:
    made = [await desk.conversation(events=0) for _ in range(2)]
    lease = (await desk.lease("one"))[desk.application]
    waiting = await desk.waiting(lease)
    assert [each.webhook_id for each in waiting] == [f"{desk.application}_1", f"{desk.application}_2"]
    assert [cid.encode() in each.payload for cid, each in zip(made, waiting, strict=True)] == [True, True]


async def test_a_lane_is_leased_by_one_node_until_it_is_released_or_its_lease_runs_out(desk: Desk) -> None:
    cid = await desk.conversation()
    lease = (await desk.lease("one"))[cid]
    assert await desk.lease("two", NOW + 19) == {}
    assert len(await desk.waiting(lease)) == 3
    assert cid in await desk.lease("two", NOW + 20)
    assert await desk.log.read(partial(waiting_events, lease=lease, after=0, limit=10)) is None
    # The first one comes back too late: what it says of the lane does not count any more.
    await desk.save("one", Progress(endpoint_id=desk.application, stream=cid, cursor=1, release=True))
    lease = (await desk.lease("three", NOW + 40))[cid]
    assert lease.cursor == 0


async def test_a_lane_that_is_told_to_its_end_is_not_due_until_something_happens(desk: Desk) -> None:
    cid = await desk.conversation()
    await desk.tell_all()
    assert await desk.log.read(partial(due_endpoints, now=NOW + 1e6)) == []
    assert await desk.log.read(partial(backlog, endpoint_id=desk.application)) == (0, 0)
    await desk.post(cid, 4)
    lease = (await desk.lease("one"))[cid]
    assert (lease.cursor, lease.head) == (3, 4)


async def test_an_event_that_comes_while_a_lane_is_released_is_not_forgotten(desk: Desk) -> None:
    cid = await desk.conversation(events=1)
    lease = (await desk.lease("one"))[cid]
    await desk.post(cid, 2)
    await desk.save("one", Progress(endpoint_id=desk.application, stream=cid, cursor=lease.head, release=True))
    assert await desk.log.read(partial(due_endpoints, now=NOW)) == [desk.application]


async def test_a_new_endpoint_hears_what_happens_from_then_on(desk: Desk) -> None:
    cid = await desk.conversation(callback={"url": URL, "event_mask": "text, custom:step"})
    endpoint = await desk.log.read(partial(read_endpoint, endpoint_id=cid))
    assert endpoint is not None
    assert (endpoint.mask, endpoint.wants("custom:step"), endpoint.wants("member:joined")) == (
        ("text", "custom:step"),
        True,
        False,
    )


async def test_after_a_restart_of_the_only_process_every_lease_is_void(desk: Desk) -> None:
    cid = await desk.conversation()
    await desk.conversation()
    await desk.lease("killed", limit=1)
    released = await desk.log.transact(release_leases)
    assert released == 1  # and lanes that nobody had leased are not written
    assert cid in await desk.lease("its successor")


async def test_a_deleted_conversation_stays_until_its_webhooks_are_told(desk: Desk) -> None:
    cid = await desk.conversation()
    upkeep = Upkeep(desk.log)
    await desk.log.submit(DeleteConversation(conversation_id=cid, by=desk.admin))
    await upkeep.once()
    lease = (await desk.lease("one"))[cid]
    waiting = await desk.waiting(lease)
    assert len(waiting) == 3
    await desk.log.transact(release_leases)
    await desk.tell_all()
    await upkeep.once()
    waiting = await desk.waiting(lease)
    assert waiting == []


async def test_retention_cuts_nothing_that_is_still_to_be_told(desk: Desk) -> None:
    cid = await desk.conversation(events=5)
    lease = (await desk.lease("one"))[cid]
    await desk.save("one", Progress(endpoint_id=desk.application, stream=cid, cursor=2))
    desk.clock.time = NOW + 1_000
    await desk.post(cid, 6)
    await Upkeep(desk.log, retention_seconds=500).once()
    waiting = await desk.waiting(lease)
    assert [each.id for each in waiting] == [3, 4, 5, 6]


async def test_a_deleted_application_leaves_neither_endpoints_nor_lanes(desk: Desk) -> None:
    await desk.conversation(callback={"url": URL})
    await desk.log.transact(partial(delete_application, application_id=desk.application))
    await Upkeep(desk.log).once()
    assert await desk.log.read(read_endpoints) == []
    assert await desk.lease("one", limit=100) == {}


async def test_an_application_without_an_event_url_has_no_lanes(desk: Desk) -> None:
    other = Desk(desk.log, desk.clock, ids.uuid())
    await other.conversation()
    assert await other.lease("one") == {}
