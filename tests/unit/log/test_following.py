"""Several logs on one database: what one decides stands on what the others committed, and all tell the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, insert, select

from legato.bus import Advanced, Appended, Passed
from legato.conversations import Caller, CreateConversation, DeleteConversation, DeleteEvent, LeaveMember
from legato.events import Event
from legato.events.refusal import Conflict, NotFound, Refusal
from legato.log import Delivery, IdempotencyKey, Log
from legato.store import Store
from legato.store.heads import (
    FAR_BEHIND,
    Change,
    PersonChanged,
    announce,
    forget_changes,
    read_heads,
)
from legato.store.schema import changes, heads
from legato.store.upkeep import state_at
from legato.testing.postgres import Cluster

from .conftest import APPLICATION, Desk, MovedClock, ids


@pytest.fixture
async def desks(postgres: Cluster) -> AsyncIterator[list[Desk]]:
    """Three, which hear nothing of each other but what they read."""
    url = postgres.database()
    stores = [Store(url) for _ in range(3)]
    for store in stores:
        await store.open()
    clock = MovedClock()
    made = [Desk(Log(store, clock=clock), clock) for store in stores]
    for desk in made:
        desk.log.tap(desk.heard.extend)
        await desk.log.start()
        desk.log.others.has_others = True
    made[1].enrolled = made[2].enrolled = made[0].enrolled
    yield made
    for desk, store in zip(made, stores, strict=True):
        await desk.log.close()
        await store.close()
    postgres.drop(url)


async def test_a_receipt_given_at_another_node_is_not_given_again(desks: list[Desk]) -> None:
    one, two, _ = desks
    cid = await one.conversation()
    alice, bob = one.person("alice"), one.person("bob")
    for person in (alice, bob):
        await one.join(cid, person)
    text = (await one.post(cid, alice, "text", {"text": "x"})).events[0]
    first = await two.post(cid, bob, "text:seen", {"event_id": text.id})
    again = await one.post(cid, bob, "text:seen", {"event_id": text.id})
    assert again.event is not None
    assert first.event is not None
    assert again.event.id == first.event.id
    assert not again.events
    assert one.log.counts.decided_again == 1


async def test_a_key_used_at_another_node_is_known(desks: list[Desk]) -> None:
    one, two, _ = desks
    made = []
    for desk in (one, two):
        command = CreateConversation(conversation_id=f"CON-{ids.uuid()}", by=Caller(APPLICATION), name="same")
        made.append(await desk.log.submit(command, key=IdempotencyKey(APPLICATION, "key", "print")))
    assert made[0].conversation.id == made[1].conversation.id
    with pytest.raises(Conflict):
        await two.log.submit(command, key=IdempotencyKey(APPLICATION, "key", "other"))


async def test_a_name_taken_at_another_node_is_taken(desks: list[Desk]) -> None:
    one, two, _ = desks
    await one.conversation("first violins")
    with pytest.raises(Refusal, match="name"):
        await two.conversation("first violins")


async def test_a_person_changed_at_another_node_is_read_again(desks: list[Desk]) -> None:
    one, two, _ = desks
    heard: list[Change] = []
    two.log.others.on_changes = heard.extend
    alice = one.person("alice")
    await one.enrol(alice)
    assert await two.log.person(alice.id) is not None
    change = PersonChanged(alice.id, APPLICATION)
    await one.log.transact(lambda _connection: None, people=[change])
    await two.log.others.follow()
    assert heard == [change]


async def test_what_an_undone_work_announced_is_not_heard(desks: list[Desk]) -> None:
    one, two, _ = desks
    heard: list[Change] = []
    two.log.others.on_changes = heard.extend

    def work(connection: object) -> None:
        announce(connection, PersonChanged("USR-1"))  # type: ignore[arg-type]
        raise Conflict("code", "no")

    with pytest.raises(Conflict):
        await one.log.transact(work)
    await two.conversation()
    await one.conversation()
    await two.log.others.follow()
    assert not [change for change in heard if isinstance(change, PersonChanged)]
    assert one.log.counts.batches_failed == 0


async def test_a_node_that_was_away_for_too_long_says_that_it_is_lost(desks: list[Desk]) -> None:
    one, two, three = desks
    lost: list[int] = []
    two.log.others.on_lost = lambda: lost.append(2)
    three.log.others.on_lost = lambda: lost.append(3)
    await one.conversation()
    await one.log.transact(lambda connection: forget_changes(connection, one.clock.now() * 2, 1000))
    await two.log.others.follow()  # changes it has not heard of are there no longer
    assert lost == [2]
    await one.log.transact(lambda c: c.execute(heads.update().values(commit_no=heads.c.commit_no + FAR_BEHIND + 1)))
    cid = await three.conversation()
    assert lost == [2, 3]
    person = three.person("alice")
    await three.join(cid, person)
    where = await one.log.read(read_heads)
    assert three.log.head == where.commit


async def test_nothing_is_read_twice_when_nobody_else_writes(desks: list[Desk]) -> None:
    one, two, _ = desks
    cid, alice = await one.conversation(), one.person("alice")
    await one.join(cid, alice)
    for number in range(10):
        await one.post(cid, alice, "text", {"text": str(number)})
    assert one.log.counts.decided_again == 0
    assert two.log.head == 0
    await two.log.others.follow()
    assert two.log.head == one.log.head == 11
    assert two.log.counts.followed == 11


async def test_what_others_say_is_not_read_and_what_is_missing_before_it_is(desks: list[Desk]) -> None:
    one, two, _ = desks
    cid, alice = await one.conversation(), one.person("alice")
    await one.join(cid, alice)
    await two.log.others.follow()
    looked = two.log.counts.looked
    for number in range(9):
        held = await one.log.read(read_heads)
        receipt = await one.post(cid, alice, "text", {"text": str(number)})
        if number != 5:  # which gets lost
            two.log.others._hear(Appended(held, receipt.events))
        if number == 4:
            await until(lambda: two.log.head == one.log.head)
            assert two.log.counts.looked == looked
            two.log.others._hear(Appended(held, receipt.events))  # once more
    await until(lambda: two.log.head == one.log.head)
    assert two.log.counts.looked > looked
    assert told(two) == told(one)


async def test_what_follows_a_change_waits_until_that_is_read(desks: list[Desk]) -> None:
    one, two, _ = desks
    heard: list[Change] = []
    two.log.others.on_changes = heard.extend
    cid, alice = await one.conversation(), one.person("alice")
    await one.join(cid, alice)
    await two.log.others.follow()
    heard.clear()
    change = PersonChanged(alice.id, APPLICATION)
    await one.log.transact(lambda _connection: None, people=[change])
    held = await one.log.read(read_heads)
    receipt = await one.post(cid, alice, "text", {"text": "x"})
    two.log.others._hear(Appended(held, receipt.events))
    await until(lambda: two.log.head == one.log.head)
    assert heard == [change]
    assert stored(two.heard[-1]) == stored(one.heard[-1])


@pytest.mark.parametrize("is_said", [True, False])
async def test_what_is_said_while_this_node_writes_is_told_once_and_in_order(desks: list[Desk], is_said: bool) -> None:
    one, two, _ = desks
    cid, alice, bob = await one.conversation(), one.person("alice"), one.person("bob")
    for person in (alice, bob):
        await one.join(cid, person)
    await two.log.others.follow()
    for number in range(20):
        held = await one.log.read(read_heads)
        receipt = await one.post(cid, alice, "text", {"text": str(number)})
        mine = asyncio.create_task(two.post(cid, bob, "text", {"text": str(number)}))
        if is_said:
            two.log.others._hear(Appended(held, receipt.events))
        await mine
        await one.log.others.follow()
    assert two.log.counts.decided_again == (0 if is_said else 20)
    assert told(two) == told(one)


async def test_what_is_said_and_is_not_there_is_looked_for_once(desks: list[Desk]) -> None:
    one, two, _ = desks
    await one.conversation()
    two.log.others._hear(Advanced(10_000))  # of a database that has lost its last commits, or of another installation
    await until(lambda: two.log.head == one.log.head and not two.log.others.is_due)
    assert two.log.counts.looked == 1


async def test_a_change_that_means_nothing_to_this_node_is_as_good_as_lost(desks: list[Desk]) -> None:
    one, two, _ = desks
    lost: list[bool] = []
    two.log.others.on_lost = lambda: lost.append(True)

    def of_a_newer_node(connection: Connection) -> None:
        connection.execute(heads.update().values(change_no=heads.c.change_no + 1))
        number = connection.execute(select(heads.c.change_no)).scalar_one()
        connection.execute(insert(changes).values(number=number, created_at=0, payload=b'{"type":"of tomorrow"}'))

    await one.log.store.write(of_a_newer_node)
    cid = await two.conversation()
    assert lost == [True]
    assert (await two.log.conversation(cid, APPLICATION)).id == cid


async def test_what_needs_no_commit_is_decided_on_what_others_committed_too(desks: list[Desk]) -> None:
    one, two, _ = desks
    cid, alice, bob = await one.conversation(), one.person("alice"), one.person("bob")
    await one.join(cid, alice)
    await two.post(cid, alice, "text", {"text": "two knows the conversation"})
    await one.join(cid, bob)
    await two.post(cid, bob, "text:typing:on", {})  # refused, if two did not know that bob has joined
    assert {one.event.type for one in two.heard[-1:]} == {"text:typing:on"}
    assert set(two.heard[-1].audience) == {alice.id, bob.id}


async def test_receipts_read_together_with_their_message_stand(desks: list[Desk]) -> None:
    one, two, _ = desks
    cid, alice, bob = await one.conversation(), one.person("alice"), one.person("bob")
    for person in (alice, bob):
        await one.join(cid, person)
    text = (await one.post(cid, alice, "text", {"text": "x"})).events[0]
    await one.post(cid, bob, "text:delivered", {"event_id": text.id})
    await two.log.others.follow()
    again = await two.post(cid, bob, "text:delivered", {"event_id": text.id})
    assert not again.events
    assert (await two.post(cid, bob, "text:seen", {"event_id": text.id})).events
    await one.log.submit(DeleteEvent(conversation_id=cid, by=Caller(APPLICATION), event_id=text.id or 0))
    await two.log.others.follow()
    assert not (
        await two.log.submit(DeleteEvent(conversation_id=cid, by=Caller(APPLICATION), event_id=text.id or 0))
    ).events


async def test_a_signal_that_is_ahead_of_a_database_that_is_away_holds_nothing_up(desks: list[Desk]) -> None:
    one, two, _ = desks
    cid = await one.conversation()
    event = Event(type="text:typing:on", application_id=APPLICATION, timestamp="now", conversation_id=cid, body={})
    two.log.others._hear(Passed(two.log.head + 1, event, to_members=True))
    two.log.others._told = 0  # as a reading that failed leaves it
    assert not two.log.others.is_due
    alice = one.person("alice")
    await one.join(cid, alice)
    await two.log.others.follow()
    await two.log.transact(lambda _connection: None)
    assert [delivery.event.type for delivery in two.heard] == ["member:joined", "text:typing:on"]


async def test_a_state_that_does_not_fit_its_log_is_read_again(desks: list[Desk]) -> None:
    one, two, _ = desks
    cid, alice = await one.conversation(), one.person("alice")
    member = await one.join(cid, alice)
    await two.log.conversation(cid, APPLICATION)
    states = two.log._memory.states
    torn = states.get(cid)
    assert torn is not None
    states.put(cid, replace(torn, members={}, audience=()))
    await one.log.submit(LeaveMember(conversation_id=cid, by=Caller(APPLICATION, alice), member_id=member.id))
    await two.log.others.follow()
    assert stored(two.heard[-1]) == stored(one.heard[-1])
    assert (await two.log.conversation(cid, APPLICATION)).sequence == 2


async def test_a_conversation_deleted_with_its_last_event_is_gone_everywhere(desks: list[Desk]) -> None:
    one, two, _ = desks
    cid, alice = await one.conversation(), one.person("alice")
    await one.join(cid, alice)
    await two.log.conversation(cid, APPLICATION)
    both = (
        one.post(cid, alice, "text", {"text": "the last"}),
        one.log.submit(DeleteConversation(conversation_id=cid, by=Caller(APPLICATION))),
    )
    await asyncio.gather(*both)
    await two.log.others.follow()
    with pytest.raises(NotFound):
        await two.log.conversation(cid, APPLICATION)


@pytest.mark.parametrize("seed", range(6))
async def test_all_nodes_tell_the_same_in_the_same_order(desks: list[Desk], seed: int) -> None:
    chance = random.Random(seed)
    cids = [await chance.choice(desks).conversation() for _ in range(3)]
    people = [desks[0].person(f"person{number}") for number in range(5)]
    members: dict[tuple[str, str], str] = {}

    async def act(desk: Desk, cid: str) -> None:
        person = chance.choice(people)
        what = chance.choice(["join", "leave", "text", "text", "text", "seen", "edit", "typing", "follow"])
        try:
            if what == "join":
                members[cid, person.id] = (await desk.join(cid, person)).id
            elif what == "leave":
                await desk.log.submit(
                    LeaveMember(conversation_id=cid, by=Caller(APPLICATION, person), member_id=members[cid, person.id])
                )
            elif what == "text":
                await desk.post(cid, person, "text", {"text": "x"})
            elif what == "typing":
                await desk.post(cid, person, "text:typing:on", {"activity": 1})
            elif what == "follow":
                await desk.log.others.follow()
            else:
                type_, key = ("text:seen", "event_id") if what == "seen" else ("text:update", "original_event_id")
                body = {key: chance.randint(1, 20)} | ({"text": "new"} if what == "edit" else {})
                await desk.post(cid, person, type_, body)
        except (Refusal, KeyError):
            pass  # not there, not joined, not theirs: decided alike wherever it was asked

    for _ in range(40):
        await asyncio.gather(*(act(chance.choice(desks), chance.choice(cids)) for _ in range(chance.randint(1, 6))))
    for desk in desks:
        await desk.log.others.follow()
    heard = [told(desk) for desk in desks]
    assert [place[0] for place in heard[0]] == list(range(1, len(heard[0]) + 1))
    assert heard[0] == heard[1] == heard[2]
    assert sum(desk.log.counts.decided_again for desk in desks) > 3
    for cid in cids:
        states = [await desk.log.conversation(cid, APPLICATION) for desk in desks]
        assert states[0] == states[1] == states[2]
        folded = await desks[0].log.read(partial(state_at, conversation_id=cid, sequence=states[0].sequence))
        assert folded.members == states[0].members
        numbers = [number for _, where, number, _, _ in heard[0] if where == cid]
        assert numbers == list(range(1, states[0].sequence + 1))


async def until(condition: Callable[[], bool]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def told(desk: Desk) -> list[tuple[int | None, str | None, int | None, str, frozenset[str]]]:
    """What its tap has heard of the log."""
    return [stored(each) for each in desk.heard if each.commit is not None]


def stored(delivery: Delivery) -> tuple[int | None, str | None, int | None, str, frozenset[str]]:
    """What every node has to tell alike."""
    event = delivery.event
    return delivery.commit, event.conversation_id, event.id, event.type, frozenset(delivery.audience)
