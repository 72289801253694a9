"""The log: what is decided, in which order, and what of it is kept."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from tests.unit.log.conftest import APPLICATION, CHANNEL, Desk

from legato.conversations import (
    MAX_MEMBERS,
    Caller,
    CreateConversation,
    DeleteConversation,
    DeleteEvent,
    JoinMember,
    LeaveMember,
    MemberState,
    PostEvent,
    UpdateConversation,
)
from legato.conversations.bounds import MAX_CONVERSATION_NAME
from legato.events.refusal import Conflict, Forbidden, NotFound, Overloaded, Refusal, Unavailable
from legato.log import IdempotencyKey, Log
from legato.store import Store
from legato.store.events import EventQuery, TypeFilter, read_event, read_events, read_states
from legato.store.heads import Change, EndpointChanged
from legato.store.resume import Want, missed_by
from legato.store.schema import conversations, events, idempotency, secrets
from legato.store.upkeep import state_at


async def test_ids_count_from_one_without_a_gap(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    receipts = await asyncio.gather(*(desk.post(cid, alice, "text", {"text": str(n)}) for n in range(300)))
    assert [receipt.event.id for receipt in receipts] == list(range(2, 302))
    stored = await desk.log.read(lambda c: read_events(c, EventQuery(cid, 1000)))
    assert [one.event.id for one in stored] == list(range(1, 302))
    assert [one.event.body.get("text") for one in stored[1:]] == [str(n) for n in range(300)]


async def test_who_posts_webhooks_is_told_of_a_callback_before_what_happens_next(desk: Desk) -> None:
    told: list[Change] = []
    desk.log.others.on_changes = told.extend
    cid = await desk.conversation(callback={"url": "https://app.example.com/"})
    assert told == [EndpointChanged(cid)]
    await desk.log.submit(
        UpdateConversation(conversation_id=cid, by=Caller(APPLICATION), changes={"display_name": "x"})
    )
    assert told == [EndpointChanged(cid)]
    await desk.log.submit(UpdateConversation(conversation_id=cid, by=Caller(APPLICATION), changes={"callback": None}))
    assert told == [EndpointChanged(cid)] * 2


async def test_commit_numbers_grow_in_the_order_taps_hear(desk: Desk) -> None:
    alice = desk.person("alice")
    places = [await desk.conversation() for _ in range(3)]
    for cid in places:
        await desk.join(cid, alice)
    await asyncio.gather(*(desk.post(places[n % 3], alice, "text", {"text": "x"}) for n in range(60)))
    commits = [delivery.commit for delivery in desk.heard if delivery.commit is not None]
    assert commits == sorted(set(commits))
    assert len(commits) == 63
    stored = await desk.log.read(lambda c: [one for cid in places for one in read_events(c, EventQuery(cid, 100))])
    assert sorted((one.commit, one.event.id) for one in stored) == [
        (delivery.commit, delivery.event.id) for delivery in desk.heard if delivery.commit is not None
    ]


async def test_an_invitation_is_accepted_under_its_own_member_id(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    invited = await desk.invite(cid, bob, by=alice)
    joined = await desk.join(cid, bob)
    assert joined.id == invited.id
    assert joined.state is MemberState.JOINED
    assert set(joined.timestamp) == {"invited", "joined"}
    assert joined.invited_by == alice.id


async def test_two_joins_at_once_have_one_outcome(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    outcomes = await asyncio.gather(desk.join(cid, alice), desk.join(cid, alice), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert [one.code for one in refused] == ["conversation:error:member-already-joined"]
    state = await desk.log.conversation(cid, APPLICATION)
    assert len(state.members) == 1
    assert state.sequence == 1


async def test_a_text_and_a_kick_at_once_are_both_right_only_in_one_order(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    member = await desk.join(cid, bob)
    kick = desk.log.submit(LeaveMember(conversation_id=cid, by=Caller(APPLICATION, alice), member_id=member.id))
    _, text = await asyncio.gather(kick, desk.post(cid, bob, "text", {"text": "x"}), return_exceptions=True)
    assert isinstance(text, Forbidden)
    assert text.code == "event:error:not-joined"


async def test_the_hundred_and_first_member_is_refused_in_a_race(desk: Desk) -> None:
    cid = await desk.conversation()
    people = [desk.person(f"user{n}") for n in range(MAX_MEMBERS + 5)]
    outcomes = await asyncio.gather(*(desk.join(cid, one) for one in people), return_exceptions=True)
    refused = [one.code for one in outcomes if isinstance(one, Refusal)]
    assert refused == ["conversation:error:maximum-number-of-members"] * 5
    assert (await desk.log.conversation(cid, APPLICATION)).sequence == MAX_MEMBERS


async def test_a_receipt_is_marked_once_and_a_repeat_is_answered_like_the_first(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    member = await desk.join(cid, bob)
    text = (await desk.post(cid, alice, "text", {"text": "x"})).event
    first, repeat = await asyncio.gather(
        *(desk.post(cid, bob, "text:delivered", {"event_id": text.id}) for _ in range(2))
    )
    assert first.event.id == repeat.event.id
    assert len(first.events) + len(repeat.events) == 1
    states = await desk.log.read(lambda c: read_states(c, cid, [text.id]))
    assert set(states[text.id]["delivered_to"]) == {member.id}


async def test_seen_is_delivered_too(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    await desk.join(cid, bob)
    text = (await desk.post(cid, alice, "text", {"text": "x"})).event
    await desk.post(cid, bob, "text:seen", {"event_id": text.id})
    late = await desk.post(cid, bob, "text:delivered", {"event_id": text.id})
    assert late.events == ()
    states = await desk.log.read(lambda c: read_states(c, cid, [text.id]))
    assert set(states[text.id]) == {"seen_by", "delivered_to"}


async def test_a_receipt_for_ones_own_message_appends_nothing(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    text = (await desk.post(cid, alice, "message", {"message_type": "text", "text": "x"})).event
    receipt = await desk.post(cid, alice, "message:delivered", {"event_id": text.id})
    assert receipt.events == ()
    assert receipt.event.body == {"event_id": text.id}


async def test_an_edit_replaces_the_text_and_says_which_event_did(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    await desk.join(cid, bob)
    text = (await desk.post(cid, alice, "text", {"text": "old"})).event
    edit = (await desk.post(cid, alice, "text:update", {"text": "new", "original_event_id": text.id})).event
    stored = await desk.log.read(lambda c: read_event(c, cid, text.id))
    assert stored.event.body["text"] == "new"
    assert stored.event.body["edited"]["edited_by"] == edit.id
    with pytest.raises(Forbidden, match="permission-denied"):
        await desk.post(cid, bob, "text:update", {"text": "mine", "original_event_id": text.id})


async def test_a_deleted_event_is_blanked_and_stays_in_its_place(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    text = (await desk.post(cid, alice, "message", {"message_type": "text", "text": "secret"})).event
    command = DeleteEvent(conversation_id=cid, by=Caller(APPLICATION, alice), event_id=text.id)
    await desk.log.submit(command)
    assert (await desk.log.submit(command)).events == ()
    stored = await desk.log.read(lambda c: read_event(c, cid, text.id))
    assert stored.deleted
    assert set(stored.event.body) == {"message_type", "timestamp"}
    kept = await desk.log.read(lambda c: read_events(c, EventQuery(cid, 10, without_deleted=True)))
    assert [one.event.type for one in kept] == ["member:joined", "event:delete"]
    with pytest.raises(Refusal):
        await desk.post(cid, alice, "text:update", {"text": "back", "original_event_id": text.id})


async def payloads(desk: Desk) -> list[bytes]:
    """Every event as it is stored."""
    return await desk.log.read(lambda c: list(c.execute(select(events.c.payload).order_by(events.c.id)).scalars()))


async def test_the_words_of_a_deleted_text_are_nowhere_in_the_log(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    await desk.join(cid, bob)
    other = (await desk.post(cid, alice, "text", {"text": "kept"})).event
    await desk.post(cid, alice, "text:update", {"text": "kept too", "original_event_id": other.id})
    text = (await desk.post(cid, alice, "text", {"text": "secret 1"})).event
    for number in (2, 3):
        edit = {"text": f"secret {number}", "original_event_id": text.id, "html": f"<b>secret {number}</b>"}
        await desk.post(cid, alice, "text:update", edit)
    await desk.post(cid, bob, "text:seen", {"event_id": text.id})
    # The last edit is of the same batch as the deletion.
    last = desk.post(cid, alice, "text:update", {"text": "secret 4", "original_event_id": text.id})
    deletion = DeleteEvent(conversation_id=cid, by=Caller(APPLICATION, alice), event_id=text.id)
    await asyncio.gather(last, desk.log.submit(deletion))
    assert not any(b"secret" in payload for payload in await payloads(desk))
    stored = await desk.log.read(lambda c: read_events(c, EventQuery(cid, 100)))
    assert [one.event.id for one in stored] == list(range(1, 11))
    assert [one.event.body for one in stored if one.event.type == "text:update"] == [
        {"text": "kept too", "original_event_id": other.id},
        *({"text": "", "original_event_id": text.id} for _ in range(3)),
    ]


async def test_the_edits_of_a_deleted_text_are_found_by_a_new_process_too(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    text = (await desk.post(cid, alice, "message", {"message_type": "text", "text": "secret 1"})).event
    for number in (2, 3):
        await desk.post(cid, alice, "text:update", {"text": f"secret {number}", "original_event_id": text.id})
    again = Log(desk.log.store, clock=desk.clock)
    await again.start()
    await again.submit(DeleteEvent(conversation_id=cid, by=Caller(APPLICATION), event_id=text.id))
    await again.close()
    assert not any(b"secret" in payload for payload in await payloads(desk))


async def test_the_log_keeps_the_words_of_a_texts_last_edits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legato.conversations.posting.MAX_EDITS", 3)
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    text = (await desk.post(cid, alice, "text", {"text": "0"})).event
    for number in range(1, 6):
        await desk.post(cid, alice, "text:update", {"text": str(number), "original_event_id": text.id})
    stored = await desk.log.read(lambda c: read_events(c, EventQuery(cid, 100, start_id=2)))
    assert [one.event.body["text"] for one in stored] == ["5", "", "", "3", "4", "5"]
    await desk.log.submit(DeleteEvent(conversation_id=cid, by=Caller(APPLICATION), event_id=text.id))
    stored = await desk.log.read(lambda c: read_events(c, EventQuery(cid, 5, start_id=3)))
    assert [one.event.body["text"] for one in stored] == [""] * 5


async def test_edits_that_retention_has_cut_are_not_missed(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    text = (await desk.post(cid, alice, "text", {"text": "old"})).event
    edit = (await desk.post(cid, alice, "text:update", {"text": "new", "original_event_id": text.id})).event
    await desk.log.transact(lambda c: c.execute(delete(events).where(events.c.id == edit.id)))
    receipt = await desk.log.submit(DeleteEvent(conversation_id=cid, by=Caller(APPLICATION), event_id=text.id))
    assert receipt.event.id == edit.id + 1


async def test_the_address_of_a_deleted_picture_is_nowhere_in_the_log(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    await desk.join(cid, bob)
    picture = {"message_type": "image", "image": {"url": "https://chat.example/v3/media/secret"}}
    sent = (await desk.post(cid, alice, "message", picture)).event
    await desk.post(cid, bob, "message:delivered", {"event_id": sent.id})
    await desk.post(cid, bob, "message:seen", {"event_id": sent.id})
    assert sum(b"secret" in payload for payload in await payloads(desk)) == 3
    await desk.log.submit(DeleteEvent(conversation_id=cid, by=Caller(APPLICATION), event_id=sent.id))
    assert not any(b"secret" in payload for payload in await payloads(desk))
    states = await desk.log.read(lambda c: read_states(c, cid, [sent.id]))
    assert set(states[sent.id]) == {"delivered_to", "seen_by"}


async def test_signals_have_no_id_and_are_not_kept(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    typing = await desk.post(cid, alice, "text:typing:on", {"activity": 1})
    assert typing.event.id is None
    assert desk.heard[-1].event.type == "text:typing:on"
    assert desk.heard[-1].commit is None
    assert (await desk.log.conversation(cid, APPLICATION)).sequence == 1


async def test_who_leaves_hears_of_it_and_of_nothing_after(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    member = await desk.join(cid, bob)
    leave = LeaveMember(conversation_id=cid, by=Caller(APPLICATION, bob), member_id=member.id)
    await desk.log.submit(leave)
    assert set(desk.heard[-1].audience) == {alice.id, bob.id}
    await desk.post(cid, alice, "text", {"text": "x"})
    assert desk.heard[-1].audience == (alice.id,)
    (heard,) = await desk.log.read(lambda c: missed_by(c, [Want(APPLICATION, bob.id, 0)], head=100, limit=10))
    assert [row.id for row in heard.rows] == [2, 3]  # bob joined, bob left
    with pytest.raises(Refusal, match="invalid-member-state"):
        await desk.log.submit(leave)


async def test_a_call_type_is_refused_until_something_can_perform_it(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    with pytest.raises(Unavailable, match="audio:say"):
        await desk.post(cid, alice, "audio:say", {"text": "hello"})
    with pytest.raises(Refusal, match="unknown-event"):
        await desk.post(cid, alice, "member:joined", {})


async def test_a_deleted_conversation_is_gone_and_gives_its_name_back(desk: Desk) -> None:
    cid = await desk.conversation("lobby")
    with pytest.raises(Refusal, match="duplicate-name"):
        await desk.conversation("lobby")
    await desk.log.submit(DeleteConversation(conversation_id=cid, by=Caller(APPLICATION)))
    assert desk.heard[-1].event.type == "conversation:deleted"
    with pytest.raises(NotFound):
        await desk.log.conversation(cid, APPLICATION)
    with pytest.raises(NotFound):
        await desk.post(cid, None, "custom:x", {})
    await desk.conversation("lobby")


async def test_a_deleted_conversation_takes_a_name_that_nobody_has(desk: Desk) -> None:
    cid = await desk.conversation("lobby")
    await desk.conversation(cid)  # named as the id of another: what older servers let callers do
    await desk.log.submit(DeleteConversation(conversation_id=cid, by=Caller(APPLICATION)))
    with pytest.raises(NotFound):
        await desk.log.conversation(cid, APPLICATION)
    (name,) = await desk.log.read(
        lambda c: c.execute(select(conversations.c.name).where(conversations.c.id == cid)).scalars()
    )
    assert len(name) > MAX_CONVERSATION_NAME


async def test_another_application_sees_nothing(desk: Desk) -> None:
    cid = await desk.conversation()
    with pytest.raises(NotFound):
        await desk.log.conversation(cid, "00000000-0000-4000-8000-000000000002")
    stranger = Caller("00000000-0000-4000-8000-000000000002")
    with pytest.raises(NotFound):
        await desk.log.submit(PostEvent(conversation_id=cid, by=stranger, type="custom:x", body={}))


async def test_the_same_key_asks_once_and_another_request_under_it_is_a_conflict(desk: Desk) -> None:
    cid, alice = await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    command = PostEvent(conversation_id=cid, by=Caller(APPLICATION, alice), type="text", body={"text": "x"})
    key = IdempotencyKey(APPLICATION, "key", "print")
    together = await asyncio.gather(*(desk.log.submit(command, key=key) for _ in range(3)))
    later = await desk.log.submit(command, key=key)
    assert {receipt.event.id for receipt in (*together, later)} == {2}
    with pytest.raises(Conflict):
        await desk.log.submit(command, key=IdempotencyKey(APPLICATION, "key", "other"))


async def test_a_kept_answer_has_nobody_in_it_but_whom_it_is_about(desk: Desk) -> None:
    cid, alice = await desk.conversation(properties={"custom_data": {"a": "x" * 1_000}}), desk.person("alice")
    await desk.join(cid, alice)
    for number in range(20):
        await desk.join(cid, desk.person(f"user{number}"))
    text = PostEvent(conversation_id=cid, by=Caller(APPLICATION, alice), type="text", body={"text": "x"})
    bob = desk.person("bob")
    await desk.enrol(bob)
    join = JoinMember(conversation_id=cid, by=Caller(APPLICATION, bob), member_id="MEM-1", user=bob, channel=CHANNEL)
    for name, command in (("text", text), ("join", join)):
        key = IdempotencyKey(APPLICATION, name, "print")
        first, again = [await desk.log.submit(command, key=key) for _ in range(2)]
        assert (again.event, again.member) == (first.event, first.member)
        assert again.events == ()
        assert again.conversation.sequence == first.conversation.sequence
    kept = await desk.log.read(lambda c: list(c.execute(select(idempotency.c.answer)).scalars()))
    assert max(len(answer) for answer in kept) < 2_000


async def test_work_that_fails_is_undone_alone(desk: Desk) -> None:
    cid = await desk.conversation()

    def work(connection: object) -> None:
        connection.execute(insert(secrets).values(name="a", value=b"", created_at=0))
        raise LookupError("no")

    failed, posted = await asyncio.gather(
        desk.log.transact(work), desk.post(cid, None, "custom:x", {}), return_exceptions=True
    )
    assert isinstance(failed, LookupError)
    assert posted.event.id == 1
    assert await desk.log.read(lambda c: c.execute(secrets.select()).all()) == []


async def test_a_full_queue_refuses_and_loses_nothing_that_it_took(database_url: str) -> None:
    store = Store(database_url)
    await store.open()
    log = Log(store, queue_bound=5)
    desk = Desk(log, log.clock)
    await log.start()
    cid = await desk.conversation()
    outcomes = await asyncio.gather(
        *(desk.post(cid, None, "custom:x", {"n": n}) for n in range(20)), return_exceptions=True
    )
    taken = [one for one in outcomes if not isinstance(one, Exception)]
    assert len(taken) == 5
    assert all(isinstance(one, Overloaded) for one in outcomes if isinstance(one, Exception))
    await log.close()
    assert len(await store.read(lambda c: read_events(c, EventQuery(cid, 100)))) == 5
    await store.close()


async def test_types_are_filtered_before_the_page_is_counted(desk: Desk) -> None:
    cid = await desk.conversation()
    for n in range(10):
        await desk.post(cid, None, f"custom:{'even' if n % 2 == 0 else 'odd'}", {"n": n})
    wanted = TypeFilter(exact=frozenset({"custom:even"}))
    page = await desk.log.read(lambda c: read_events(c, EventQuery(cid, 3, descending=True, types=(wanted,))))
    assert [one.event.body["n"] for one in page] == [8, 6, 4]
    prefixed = TypeFilter(prefixes=("custom:o",))
    page = await desk.log.read(lambda c: read_events(c, EventQuery(cid, 3, types=(prefixed,))))
    assert [one.event.body["n"] for one in page] == [1, 3, 5]


async def test_a_new_process_finds_what_the_old_one_left(desk: Desk) -> None:
    cid, alice = await desk.conversation("lobby", properties={"custom_data": {"k": 1}}), desk.person("alice")
    await desk.join(cid, alice)
    await desk.log.submit(
        UpdateConversation(conversation_id=cid, by=Caller(APPLICATION), changes={"display_name": "Lobby"})
    )
    again = Log(desk.log.store)
    await again.start()
    state = await again.conversation(cid, APPLICATION)
    assert state == await desk.log.conversation(cid, APPLICATION)
    assert state == await desk.log.read(lambda c: state_at(c, cid, state.sequence))
    receipt = await again.submit(PostEvent(conversation_id=cid, by=Caller(APPLICATION), type="custom:x", body={}))
    assert receipt.event.id == 3
    await again.close()
    # The first one's memory is behind now: it is told so by the store, reads anew and goes on.
    assert (await desk.post(cid, None, "custom:x", {})).event.id == 4


async def test_a_command_that_cannot_be_decided_costs_its_neighbours_nothing(desk: Desk) -> None:
    cid, alice, bob = await desk.conversation(), desk.person("alice"), desk.person("bob")
    await desk.join(cid, alice)
    await desk.enrol(bob)
    broken = JoinMember(  # what no caller can send, for the API checks it
        conversation_id=cid, by=Caller(APPLICATION), member_id="MEM-1", user=bob, channel=17
    )
    good, bad, late = await asyncio.gather(
        desk.post(cid, alice, "text", {"text": "1"}),
        desk.log.submit(broken),
        desk.post(cid, alice, "text", {"text": "2"}),
        return_exceptions=True,
    )
    assert (good.event.id, late.event.id) == (2, 3)
    assert isinstance(bad, AttributeError)


async def test_a_command_that_cannot_be_stored_costs_its_neighbours_nothing(desk: Desk) -> None:
    cid, other, alice = await desk.conversation(), await desk.conversation(), desk.person("alice")
    await desk.join(cid, alice)
    # What no caller can send, for the API makes the ids: a second conversation of one id.
    broken = CreateConversation(conversation_id=other, by=Caller(APPLICATION), name="again")
    notes: list[int] = []
    outcomes = await asyncio.gather(
        *(desk.post(cid, alice, "text", {"text": str(n)}) for n in range(20)),
        desk.log.submit(broken),
        desk.log.transact(lambda connection: notes.append(connection.execute(select(1)).scalar_one())),
        *(desk.post(cid, alice, "text", {"text": str(n)}) for n in range(20, 40)),
        return_exceptions=True,
    )
    told = [one for one in outcomes if isinstance(one, Exception)]
    assert [type(one) for one in told] == [IntegrityError]
    assert outcomes.index(told[0]) == 20
    assert notes[-1] == 1
    assert [one.event.id for one in (*outcomes[:20], *outcomes[22:])] == list(range(2, 42))
    stored = await desk.log.read(lambda c: read_events(c, EventQuery(cid, 100, start_id=2)))
    assert [one.event.body["text"] for one in stored] == [str(n) for n in range(40)]
    assert [each.event.id for each in desk.heard if each.event.id] == list(range(1, 42))
