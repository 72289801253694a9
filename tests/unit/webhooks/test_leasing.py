"""Leasing in bulk: many endpoints in one commit, each within its room, and nothing waits to be looked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from legato.conversations import Caller, CreateConversation, PostEvent
from legato.events.ids import RandomIds
from legato.log import Log
from legato.outbound import Outbound
from legato.store import Store
from legato.store.applications import Application, insert_application
from legato.store.attempts import read_attempts
from legato.store.endpoints import (
    Endpoint,
    change_endpoint,
    change_endpoints,
    read_endpoints_of,
    remove_endpoint,
    set_callback,
)
from legato.store.leases import Lease, Page, Progress, due_endpoints, first_pages, lease_lanes, save_progress
from legato.store.replays import resume_endpoint
from legato.store.signature import SignatureSecrets
from legato.testing.receiver import Received, Receiver
from legato.testing.waiting import PATIENCE_SECONDS
from legato.webhooks import Signer, Webhooks
from legato.webhooks.channel import Channel
from legato.webhooks.leasing import Leasing
from legato.webhooks.ledger import LEASE_SECONDS
from legato.webhooks.policy import Outcome, Policy

NOW = 2_000_000_000.0  # later than everything here falls due
URL = "http://127.0.0.1:9/"
ids = RandomIds()
T = TypeVar("T")


@dataclass
class House:
    """A log, and an application with an event URL."""

    log: Log
    application: str = field(default_factory=ids.uuid)

    async def conversation(self, events: int = 1, url: str | None = None) -> str:
        """A conversation with so many events, and a callback if there is a URL for it."""
        cid = f"CON-{ids.uuid()}"
        callback = None if url is None else {"url": url}
        by = Caller(self.application)
        await self.log.submit(CreateConversation(conversation_id=cid, by=by, name=cid, callback=callback))
        for _ in range(events):
            await self.post(cid)
        return cid

    async def post(self, cid: str) -> None:
        """One more event."""
        await self.log.submit(
            PostEvent(conversation_id=cid, by=Caller(self.application), type="custom:step", body={"a": 1})
        )

    async def endpoints(self, *endpoint_ids: str) -> dict[str, Endpoint]:
        """Those that there are."""
        found = await self.log.read(partial(read_endpoints_of, endpoint_ids=endpoint_ids))
        return {each.id: each for each in found}

    def webhooks(self, **bounds: int) -> Webhooks:
        """A node that sends, and retries soon."""
        webhooks = Webhooks(
            read=self.log.read,
            write=self.log.transact,
            outbound=Outbound(dangerous_allow_private_addresses=True, **bounds),
            signer=Signer("key", SignatureSecrets("s" * 40), ids),
            clock=self.log.clock,
            ids=ids,
            policy=Policy(first_wait=0.1),
        )
        self.log.tap(webhooks.hear)
        return webhooks

    async def lease(self, rooms: dict[str, int]) -> list[Lease]:
        """What a node gets."""
        return await self.log.transact(partial(lease_lanes, rooms=rooms, node="node", now=NOW, until=NOW + 20))


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
        self._house = house
        self._begun: asyncio.Queue[tuple[Channel, Lease]] = asyncio.Queue()
        self.leasing = Leasing(
            node="node",
            read=self._read,
            write=house.log.transact,
            clock=self.clock,
            policy=Policy(),
            begin=self._begin,
        )

    async def _read(self, work: Callable[[Connection], T]) -> T:
        if isinstance(work, partial) and work.func is first_pages:
            self.before_pages()
        return await self._house.log.read(work)

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


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """On each store."""
    store = Store(database_url)
    await store.open()
    log = Log(store)
    await log.start()
    house = House(log)
    rtc = {"webhooks": {"event_url": {"address": URL}}}
    made = Application(id=house.application, name="x", public_key="p", created_at=1.0, capabilities={"rtc": rtc})
    await log.transact(partial(insert_application, application=made))
    yield house
    await log.close()
    await store.close()


@pytest.mark.parametrize("lanes", [3, 20], ids=["found by one statement", "too many for one statement"])
async def test_an_endpoint_gets_as_many_lanes_as_it_has_room_for_and_the_oldest_first(house: House, lanes: int) -> None:
    callbacks = [await house.conversation(url=URL) for _ in range(3)]
    made = callbacks + [await house.conversation() for _ in range(lanes)]
    rooms = {house.application: 2, **dict.fromkeys(callbacks, 1)}
    got = {(each.endpoint_id, each.stream) for each in await house.lease(rooms)}
    own = sorted(stream for endpoint_id, stream in got if endpoint_id == house.application)
    # The application's own stream began with the first conversation.
    assert own == sorted([house.application, made[0]])
    assert got - {(house.application, stream) for stream in own} == {(cid, cid) for cid in callbacks}
    again = await house.lease(dict.fromkeys(callbacks, 1) | {house.application: 100})
    assert {each.stream for each in again} == set(made[1:])


async def test_the_first_pages_of_lanes_are_read_together_each_with_its_own_events(house: House) -> None:
    long, short = await house.conversation(events=3), await house.conversation(events=1)
    leases = sorted(await house.lease({house.application: 10}), key=lambda lease: [long, short].count(lease.stream))
    pages = await house.log.read(partial(first_pages, leases=leases, limit=2))
    seen = {
        lease.stream: (page.head, [each.id for each in page.events]) for lease, page in zip(leases, pages, strict=True)
    }
    assert seen == {house.application: (2, [1, 2]), long: (3, [1, 2]), short: (1, [1])}


async def test_what_is_due_is_asked_for_some_endpoints_alone(house: House) -> None:
    one, other = [await house.conversation(url=URL) for _ in range(2)]
    await house.lease({other: 1})
    assert set(await house.log.read(partial(due_endpoints, now=NOW))) == {house.application, one}
    assert await house.log.read(partial(due_endpoints, now=NOW, among=[one, other])) == [one]
    done = Progress(endpoint_id=other, stream=other, cursor=0, release=True)
    await house.log.transact(partial(save_progress, node="node", progress=[done], now=NOW, until=NOW))
    assert set(await house.log.read(partial(due_endpoints, now=NOW, among=[one, other]))) == {one, other}


async def test_how_several_endpoints_fare_is_written_down_together(house: House) -> None:
    well, ill, gone = [await house.conversation(url=URL) for _ in range(2)] + ["CON-gone"]
    before = await house.endpoints(well, ill)
    changes = {
        (well, before[well].as_of): {"succeeded_at": 5.0},
        (ill, before[ill].as_of): {"failures": 2, "due_at": NOW, "why": "answered 503"},
        (gone, 1.0): {"succeeded_at": 6.0},
    }
    await house.log.transact(partial(change_endpoints, changes=changes))
    found = await house.endpoints(well, ill, gone)
    assert found.keys() == {well, ill}
    assert (found[well].succeeded_at, found[well].failures, found[well].why) == (5.0, 0, None)
    assert (found[ill].succeeded_at, found[ill].failures, found[ill].why) == (None, 2, "answered 503")


async def test_what_an_endpoint_did_before_it_was_changed_is_not_held_against_it(house: House) -> None:
    cid = await house.conversation(url=URL)
    made = (await house.endpoints(cid))[cid]
    callback = {"url": "http://127.0.0.1:9/elsewhere"}
    for at in (NOW, NOW + 1):
        await house.log.transact(
            partial(set_callback, application_id=house.application, conversation_id=cid, callback=callback, now=at)
        )
    for as_of in (made.as_of, NOW):
        gone = {(cid, as_of): {"state": "disabled", "why": "answered 410 Gone"}}
        await house.log.transact(partial(change_endpoints, changes=gone))
    now = (await house.endpoints(cid))[cid]
    assert (now.as_of, now.state, now.why) == (NOW + 1, "active", None)
    await house.log.transact(partial(change_endpoints, changes={(cid, now.as_of): {"state": "disabled"}}))
    assert (await house.endpoints(cid))[cid].state == "disabled"


async def test_whatever_happens_while_a_lane_is_worked_on_or_released_is_sent_without_a_look(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody looks for what was missed: an event that nobody is woken for is never sent.
    monkeypatch.setattr("legato.webhooks.leasing.LOOK_SECONDS", 1e9)
    webhooks = house.webhooks()
    with Receiver() as receiver:
        made = [await house.conversation(events=0, url=receiver.url) for _ in range(8)]
        await webhooks.start()
        for cid in made:
            webhooks.changed(cid)

        async def talk(cid: str, pace: int) -> None:
            for number in range(40):
                await house.post(cid)
                if number % (pace + 1) == 0:  # now and then the lane is through before the next event comes
                    await asyncio.to_thread(receiver.until, _has(cid, number + 1), "it is told so far")

        await asyncio.gather(*(talk(cid, pace) for pace, cid in enumerate(made)))
        for cid in made:
            got = await asyncio.to_thread(receiver.until, _has(cid, 40), "everything is told")
            assert [each.id for each in got if each.id.startswith(cid)] == [f"{cid}_{n}" for n in range(1, 41)]
        await webhooks.close()
    assert webhooks.dispatcher.working == 0


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


async def test_what_the_old_url_answers_is_not_held_against_the_new_one(house: House) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await may_answer.wait()
        writer.write(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    webhooks = house.webhooks()
    await webhooks.start()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as old:
        cid = await house.conversation(url=f"http://127.0.0.1:{old.sockets[0].getsockname()[1]}/")
        webhooks.changed(cid)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asked.wait()
        with Receiver() as receiver:
            place = {"application_id": house.application, "conversation_id": cid, "callback": {"url": receiver.url}}
            await house.log.transact(partial(set_callback, now=NOW, **place))
            webhooks.changed(cid)
            may_answer.set()
            await asyncio.to_thread(receiver.until, _has(cid, 1), "the new one is told")
            await webhooks.close()
    assert (await house.endpoints(cid))[cid].state == "active"


async def test_nobody_is_blamed_when_this_server_has_no_connection_free(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("legato.webhooks.sender.CONNECT_SECONDS", 0.1)
    webhooks = house.webhooks(connections_per_host=1)
    with Receiver() as receiver:
        receiver.behave("slow", seconds=1.0)
        rtc = {"webhooks": {"event_url": {"address": receiver.url}}}
        application = House(house.log)
        await house.log.transact(
            partial(
                insert_application,
                application=Application(
                    id=application.application, name="y", public_key="p", created_at=1.0, capabilities={"rtc": rtc}
                ),
            )
        )
        made = [await application.conversation() for _ in range(2)]
        await webhooks.start()
        for cid in made:
            await asyncio.to_thread(receiver.until, _has(cid, 1), "it is told")
        await webhooks.close()
    attempts = await house.log.read(partial(read_attempts, endpoint_id=application.application, limit=100))
    assert any("became free" in (each.error or "") for each in attempts)
    assert webhooks.dispatcher.failed == 0


def _has(cid: str, count: int) -> Callable[[list[Received]], bool]:
    """Whether so much of a conversation has come."""

    def holds(requests: list[Received]) -> bool:
        return sum(each.id.startswith(cid) for each in requests) >= count

    return holds
