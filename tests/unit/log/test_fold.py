"""Promises 2 and 6: whatever is done, the state is the fold of the log, ids have no gap, and what is stored agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.unit.log.conftest import APPLICATION, Desk, MovedClock

from legato.conversations import (
    Caller,
    DeleteEvent,
    LeaveMember,
    UpdateConversation,
    fold,
)
from legato.events.envelope import Person
from legato.events.refusal import Refusal
from legato.log import Log
from legato.store import Store
from legato.store.conversations import load_conversations
from legato.store.events import EventQuery, read_events, read_states
from legato.store.resume import Want, missed_by
from legato.store.upkeep import beginning

PEOPLE = [Person(f"USR-{n:08d}-0000-4000-8000-000000000000", f"user{n}") for n in range(4)]
person = st.sampled_from(PEOPLE)
event_id = st.integers(min_value=1, max_value=30)
receipt = st.sampled_from(["text:delivered", "text:seen", "message:seen", "event:seen"])


class LogMachine(RuleBasedStateMachine):
    """Callers who do anything in any order, several at once; the machine keeps its own count of what was accepted."""

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.accepted: list[int] = []
        self.desk = self.run(self.open(database_url))
        self.cid = ""

    async def open(self, database_url: str) -> Desk:
        store = Store(database_url)
        await store.open()
        clock = MovedClock()
        desk = Desk(Log(store, clock=clock), clock)
        desk.log.tap(desk.heard.extend)
        await desk.log.start()
        return desk

    def run(self, work: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(work)

    def ask(self, *requests: Awaitable[Any]) -> None:
        """Several requests at once; refusals are answers too, anything else is a bug."""

        async def together() -> list[Any]:
            return await asyncio.gather(*requests, return_exceptions=True)

        for outcome in self.run(together()):
            if isinstance(outcome, BaseException) and not isinstance(outcome, Refusal):
                raise outcome

    @initialize()
    def create(self) -> None:
        self.cid = self.run(self.desk.conversation())
        self.created = self.run(self.desk.log.conversation(self.cid, APPLICATION))

    @rule(users=st.lists(person, min_size=1, max_size=3))
    def join(self, users: list[Person]) -> None:
        self.ask(*(self.desk.join(self.cid, user) for user in users))

    @rule(inviter=person, invited=person)
    def invite(self, inviter: Person, invited: Person) -> None:
        self.ask(self.desk.invite(self.cid, invited, by=inviter))

    @rule(user=person, other=person)
    def leave_or_kick(self, user: Person, other: Person) -> None:
        state = self.run(self.desk.log.conversation(self.cid, APPLICATION))
        member = state.my_member(other.id)
        if member is not None:
            command = LeaveMember(conversation_id=self.cid, by=Caller(APPLICATION, user), member_id=member.id)
            self.ask(self.desk.log.submit(command), self.desk.log.submit(command))

    @rule(senders=st.lists(person, min_size=1, max_size=4))
    def text(self, senders: list[Person]) -> None:
        self.ask(*(self.desk.post(self.cid, one, "text", {"text": "x"}) for one in senders))

    @rule(users=st.lists(person, min_size=1, max_size=3), aim=event_id, kind=receipt)
    def acknowledge(self, users: list[Person], aim: int, kind: str) -> None:
        self.ask(*(self.desk.post(self.cid, one, kind, {"event_id": aim}) for one in users))

    @rule(user=person, aim=event_id)
    def edit_and_delete_at_once(self, user: Person, aim: int) -> None:
        by = Caller(APPLICATION, user)
        self.ask(
            self.desk.post(self.cid, user, "text:update", {"text": "y", "original_event_id": aim}),
            self.desk.log.submit(DeleteEvent(conversation_id=self.cid, by=by, event_id=aim)),
        )

    @rule(name=st.sampled_from(["a", "b"]))
    def rename(self, name: str) -> None:
        changes = {"display_name": name, "properties": {"custom_data": {"n": name}}}
        self.ask(
            self.desk.log.submit(UpdateConversation(conversation_id=self.cid, by=Caller(APPLICATION), changes=changes))
        )

    @invariant()
    def the_state_is_the_fold_of_the_log(self) -> None:
        if not self.cid:
            return
        state = self.run(self.desk.log.conversation(self.cid, APPLICATION))
        stored = self.run(self.desk.log.read(lambda c: load_conversations(c, [self.cid])))[self.cid]
        log = self.run(self.desk.log.read(lambda c: read_events(c, EventQuery(self.cid, 10_000))))
        remembered = self.run(self.desk.log.read(lambda c: beginning(c, self.cid)))
        assert state == stored
        for start in (self.created, remembered):
            assert fold(start, [one.event for one in log]) == state
        assert [one.event.id for one in log] == list(range(1, state.sequence + 1))

    @invariant()
    def taps_and_the_store_tell_the_same(self) -> None:
        if not self.cid:
            return
        log = self.run(self.desk.log.read(lambda c: read_events(c, EventQuery(self.cid, 10_000))))
        told = [(one.commit, one.event.id, one.event.type) for one in self.desk.heard if one.commit is not None]
        assert told == [(one.commit, one.event.id, one.event.type) for one in log]
        for user in PEOPLE:
            heard = {one.commit for one in self.desk.heard if one.commit is not None and user.id in one.audience}
            wants = [Want(APPLICATION, user.id, 0)]
            read = partial(missed_by, wants=wants, head=told[-1][0] if told else 0, limit=10_000)
            (back,) = self.run(self.desk.log.read(read))
            assert {row.commit for row in back.rows} == heard

    @invariant()
    def nothing_in_the_log_has_the_words_of_what_was_deleted(self) -> None:
        if not self.cid:
            return
        log = self.run(self.desk.log.read(lambda c: read_events(c, EventQuery(self.cid, 10_000))))
        deleted = {one.event.id for one in log if one.deleted}
        for one in log:
            if one.deleted or one.event.body.get("original_event_id") in deleted:
                assert not one.event.body.get("text")

    @invariant()
    def nobody_is_marked_twice_or_for_an_own_message(self) -> None:
        if not self.cid:
            return
        log = self.run(self.desk.log.read(lambda c: read_events(c, EventQuery(self.cid, 10_000))))
        states = self.run(self.desk.log.read(lambda c: read_states(c, self.cid, [one.event.id for one in log])))
        members = {one.event.from_: one.event.user.id for one in log if one.event.user}
        for one in log:
            state = states.get(one.event.id, {})
            assert set(state.get("seen_by", {})) <= set(state.get("delivered_to", {}))
            for marked in state.values():
                assert one.event.user is None or one.event.user.id not in {members[member] for member in marked}

    def teardown(self) -> None:
        self.run(self.desk.log.close())
        self.run(self.desk.log.store.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


EXAMPLES = {"sqlite": 25, "postgresql": 3}


def test_the_state_is_the_fold_of_the_log_whatever_is_done(store: str, new_database_url: Callable[[], str]) -> None:
    run_state_machine_as_test(
        lambda: LogMachine(new_database_url()),
        settings=settings(
            max_examples=EXAMPLES[store],
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
