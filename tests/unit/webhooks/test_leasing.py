"""Leasing in bulk: many endpoints in one commit, each within its room, and nothing waits to be looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from tests.unit.webhooks.conftest import NOW, URL, House

from legato.store.endpoints import change_endpoints, set_callback
from legato.store.leases import Progress, due_endpoints, first_pages, save_progress
from legato.testing.receiver import Received, Receiver


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


def _has(cid: str, count: int) -> Callable[[list[Received]], bool]:
    """Whether so much of a conversation has come."""

    def holds(requests: list[Received]) -> bool:
        return sum(each.id.startswith(cid) for each in requests) >= count

    return holds
