"""What time does: ttl, retention, forgetting a user, removing what was deleted."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select, update
from tests.unit.log.conftest import APPLICATION, Desk

from legato.conversations import Caller, ConversationState, DeleteConversation, MemberState, UpdateConversation
from legato.events.envelope import Person
from legato.events.refusal import Overloaded
from legato.log import Log, Upkeep, forget_user
from legato.store.conversations import find_member
from legato.store.events import EventQuery, read_event, read_events, read_states
from legato.store.schema import conversations, events, members, receipts, snapshots
from legato.store.upkeep import state_at


async def test_a_ttl_counts_from_the_last_event(desk: Desk) -> None:
    cid = await desk.conversation(properties={"ttl": 60})
    upkeep = Upkeep(desk.log)
    desk.clock.time += 50
    await desk.post(cid, None, "custom:x", {})
    desk.clock.time += 50
    await upkeep.once()
    assert (await desk.log.conversation(cid, APPLICATION)).sequence == 1
    desk.clock.time += 11
    await upkeep.once()
    deleted = desk.heard[-1].event
    assert deleted.type == "conversation:deleted"
    assert deleted.body["reason"] == "ttl"


async def test_a_conversation_that_cannot_end_keeps_no_other_from_it(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    broken, _sound = [await desk.conversation(properties={"ttl": ttl}) for ttl in (60, 61)]
    row = conversations.c.id == broken
    await desk.log.transact(lambda c: c.execute(update(conversations).where(row).values(timestamp={})).rowcount)
    again = Desk(Log(desk.log.store, clock=desk.clock), desk.clock)  # one that has not seen it whole
    await again.log.start()
    desk.clock.time += 62
    await Upkeep(again.log).once()
    await again.log.close()
    assert "could not be ended" in caplog.text
    assert await desk.log.read(lambda c: list(c.execute(select(conversations.c.id)).scalars())) == [broken]


async def test_retention_cuts_a_prefix_after_a_snapshot(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    text = (await desk.post(cid, alice, "text", {"text": "old"})).event
    await desk.join(cid, bob)
    await desk.post(cid, bob, "text:seen", {"event_id": text.id})
    desk.clock.time += 1000
    await desk.post(cid, bob, "text", {"text": "new"})
    upkeep = Upkeep(desk.log, retention_seconds=500)
    await upkeep.once()
    await upkeep.once()
    kept = await desk.log.read(lambda c: read_events(c, EventQuery(cid, 10)))
    assert [one.event.id for one in kept] == [5]
    assert await desk.log.read(lambda c: read_states(c, cid, [text.id])) == {}
    state = await desk.log.conversation(cid, APPLICATION)
    assert await desk.log.read(lambda c: state_at(c, cid, 5)) == state
    assert (await desk.post(cid, alice, "text", {"text": "x"})).event.id == 6


async def test_a_forgotten_user_leaves_everywhere_and_its_name_leaves_the_log(desk: Desk) -> None:
    alice, bob = desk.person("alice"), desk.person("bob")
    cid = await desk.conversation()
    member = await desk.join(cid, alice)
    await desk.join(cid, bob)
    text = (await desk.post(cid, alice, "text", {"text": "hello"})).event
    upkeep = Upkeep(desk.log)
    assert await forget_user(desk.log, APPLICATION, alice.id)
    assert not await forget_user(desk.log, APPLICATION, alice.id)
    await upkeep.once()
    left = await desk.log.read(lambda c: find_member(c, cid, member.id))
    assert left.state is MemberState.LEFT
    stored = await desk.log.read(lambda c: read_event(c, cid, text.id))
    assert stored.event.user == Person(alice.id)
    payloads = await desk.log.read(lambda c: [row.payload for row in c.execute(select(events.c.payload))])
    assert not any(b"alice" in payload or b"Alice" in payload for payload in payloads)
    assert any(b'"bob"' in payload for payload in payloads)


async def test_who_was_deleted_comes_into_no_conversation_again(desk: Desk) -> None:
    alice, bob = desk.person("alice"), desk.person("bob")
    places = [await desk.conversation() for _ in range(3)]
    await desk.join(places[0], bob)
    for user in (alice, bob):
        await desk.join(places[1], user)
    # Her token and what memory has of her are from before.
    gone, *joins = await asyncio.gather(
        forget_user(desk.log, APPLICATION, alice.id),
        *(desk.join(place, alice) for place in places),
        desk.invite(places[2], alice),
        return_exceptions=True,
    )
    assert gone
    for join in (desk.join(places[0], alice), desk.join(places[0], alice, by=bob), desk.invite(places[0], alice)):
        joins += await asyncio.gather(join, return_exceptions=True)
    assert [one.code for one in joins[-3:]] == ["user:error:not-found"] * 3
    for place in places:
        assert alice.id not in (await desk.log.conversation(place, APPLICATION)).audience


async def test_a_forgotten_user_leaves_an_inactive_conversation_too(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    inactive = {"state": ConversationState.INACTIVE}
    await desk.log.submit(UpdateConversation(conversation_id=cid, by=Caller(APPLICATION), changes=inactive))
    await forget_user(desk.log, APPLICATION, alice.id)
    assert (await desk.log.conversation(cid, APPLICATION)).members == {}


async def test_a_full_queue_does_not_pass_for_having_left(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    full = Log(desk.log.store, clock=desk.clock, queue_bound=0)
    with pytest.raises(Overloaded):
        await forget_user(full, APPLICATION, alice.id)


async def test_what_was_deleted_is_removed_in_steps(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    kept = await desk.conversation()
    await desk.join(cid, alice)
    await desk.join(cid, bob)
    for _ in range(20):
        text = (await desk.post(cid, alice, "text", {"text": "x"})).event
        await desk.post(cid, bob, "text:seen", {"event_id": text.id})
    await desk.log.submit(DeleteConversation(conversation_id=cid, by=Caller(APPLICATION)))
    await Upkeep(desk.log).once()
    for table in (events, members, receipts, snapshots):
        count = select(func.count()).select_from(table)
        assert await desk.log.read(lambda c, count=count: c.execute(count).scalar()) == 0
    left = await desk.log.read(lambda c: [row.id for row in c.execute(select(conversations.c.id))])
    assert left == [kept]


async def test_a_deleted_conversation_is_removed_and_not_cut(desk: Desk) -> None:
    cid = await desk.conversation()
    await desk.post(cid, None, "custom:x", {})
    await desk.post(cid, None, "custom:x", {})
    desk.clock.time += 1000
    await desk.log.submit(DeleteConversation(conversation_id=cid, by=Caller(APPLICATION)))
    await Upkeep(desk.log, retention_seconds=500).once()
    assert await desk.log.read(lambda c: c.execute(select(conversations.c.id)).all()) == []
