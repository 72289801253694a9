"""The log: the one door for everything that changes.

::

    submit ─┐                                       ┌─ answers
    signal ─┼─▶ bounded queue ─▶ decide ─▶ COMMIT ─▶┼─ taps (sessions, console, …)
    transact┘    (full: 429)     (a batch)    ▲     ├─ memory
                                              │     └─ the bus
    other nodes ──────────────────────────────┘  what they committed is followed first, and decided upon again

The writer takes what queued while the last commit ran, decides it in queue order, and commits it as one. Deciding runs
in the event loop and touches no I/O; only the database is visited from its thread. Whatever other nodes commit is told
to the taps in the same one order, and so is what they signal.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from legato import tracing
from legato.bus import Bus, LocalBus
from legato.conversations import Command, Conversation, Target, no_such_conversation
from legato.events.envelope import Event, Person
from legato.events.moment import Clock, SystemClock
from legato.events.refusal import Overloaded, Refusal
from legato.log.counts import Counts
from legato.log.draft import Draft
from legato.log.facts import gather
from legato.log.following import Following
from legato.log.memory import Memory, Recent
from legato.log.news import Reading
from legato.log.values import Delivery, IdempotencyKey, Receipt
from legato.log.work import Work
from legato.store import Behind, Committed, StaleStateError, Store, commit_batch
from legato.store.conversations import load_conversations
from legato.store.heads import EndpointChanged, PersonChanged
from legato.store.users import load_users

T = TypeVar("T")
Tap = Callable[[Sequence[Delivery]], None]
Outcome = Receipt | Exception | None

log = logging.getLogger(__name__)

# Requests that may wait for the writer. At 2,500 commands a second this is under two seconds of waiting.
QUEUE_BOUND = 4096
# Commands decided in one go: deciding takes some 20 µs each and the event loop waits for it.
MAX_BATCH = 256
# A node that is far behind catches up before it takes its turn; if it never does, something is wrong.
MAX_TURNS = 10


@dataclass(slots=True)
class _Waiting:
    future: asyncio.Future[Any]
    command: Command | None = None
    key: IdempotencyKey | None = None
    work: Work | None = None
    signal: tuple[Event, tuple[str, ...], str | None] | None = None
    span: tracing.Span | None = None


class Log:
    """Everything that happens passes here, in one order per conversation, and is on the disk before it is answered."""

    def __init__(
        self, store: Store, *, clock: Clock | None = None, queue_bound: int = QUEUE_BOUND, bus: Bus | None = None
    ) -> None:
        self.store = store
        self.clock = clock or SystemClock()
        self.counts = Counts()
        self.queue_bound = queue_bound
        self.bus = bus or LocalBus()
        self._memory = Memory()
        self._queue: deque[_Waiting] = deque()
        self._taps: list[Tap] = []
        self._writer: asyncio.Task[None] | None = None
        self._closing = False
        self._begun = 0  # when the batch that is worked on was taken, for its trace
        self.others = Following(store, self._memory, self.bus, self.counts, self._tell)
        self._wake = self.others.wake

    async def start(self) -> None:
        """Starts the writer; the store must be open."""
        await self.others.start()
        self._writer = asyncio.create_task(self._write(), name="log writer")

    async def close(self) -> None:
        """Refuses what comes from now on, finishes what is queued, and stops."""
        self._closing = True
        self._wake.set()
        if self._writer is not None:
            await self._writer
        await self.bus.close()

    @property
    def head(self) -> int:
        """The commit number of the last event that the taps were told of."""
        return self.others.known.commit

    @property
    def queued(self) -> int:
        """How many requests wait for the writer."""
        return len(self._queue)

    @property
    def is_writing(self) -> bool:
        """Whether what is submitted now will be decided."""
        return self._writer is not None and not self._writer.done() and not self._closing

    def tap(self, listener: Tap) -> None:
        """``listener`` hears every delivery after its commit, in commit order, in the event loop; it must not block."""
        self._taps.append(listener)

    async def submit(self, command: Command, *, key: IdempotencyKey | None = None) -> Receipt:
        """Decides ``command`` and answers when it is durable. Raises Refusal; Overloaded when the queue is full.

        With ``key``, a second request of the same fingerprint is answered like the first and changes nothing.
        """
        tracer = tracing.tracer
        if tracer is None:
            receipt: Receipt = await self._enqueue(_Waiting(self._future(), command=command, key=key))
            return receipt
        with tracer.command(type(command).__name__) as span:
            traced: Receipt = await self._enqueue(_Waiting(self._future(), command=command, key=key, span=span))
        return traced

    async def transact(
        self,
        work: Callable[[Connection], T],
        *,
        key: IdempotencyKey | None = None,
        answer_type: type[T] | None = None,
        people: Sequence[PersonChanged] = (),
    ) -> T:
        """Runs ``work`` (rows that are not events) in the next commit, after that batch's events; durable on return.

        What it raises undoes it alone. ``people`` says which users it changes. With ``key``, its result is kept under
        it and must be a value that msgspec reads back as ``answer_type``.
        """
        waiting = _Waiting(self._future(), work=Work(work, key, answer_type, tuple(people), self.clock.now()))
        result: T = await self._enqueue(waiting)
        return result

    async def signal(self, event: Event, *, audience: tuple[str, ...] = (), session_id: str | None = None) -> None:
        """Lets an event that is not stored pass, after everything that was submitted before it."""
        await self._enqueue(_Waiting(self._future(), signal=(event, audience, session_id)))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """``work`` on a reading connection, which sees everything that was answered before."""
        return await self.store.read(work)

    async def conversation(self, conversation_id: str, application_id: str) -> Conversation:
        """The committed state, on whichever node. NotFound when it is absent, deleted, or another application's."""
        await self.others.follow()
        state = await self._recall(
            self._memory.states,
            conversation_id,
            lambda c: load_conversations(c, [conversation_id]).get(conversation_id),
        )
        if state is None or state.application_id != application_id:
            raise no_such_conversation()
        return state

    async def person(self, user_id: str) -> Person | None:
        """The user as events would remember it now."""

        def load(connection: Connection) -> Person | None:
            user = load_users(connection, [user_id]).get(user_id)
            return None if user is None else user.person

        return await self._recall(self._memory.people, user_id, load)

    async def _recall(self, kept: Recent[str, T], key: str, load: Callable[[Connection], T | None]) -> T | None:
        """What memory or else the store has; kept when no commit can have come between the reading and now.

        What is read while one is under way, and kept before it is known, is overwritten or dropped as it gets known.
        """
        found = kept.get(key)
        if found is None:
            generation = self._memory.generation
            found = await self.store.read(load)
            if found is not None and generation == self._memory.generation:
                kept.put(key, found)
        return found

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def _enqueue(self, waiting: _Waiting) -> asyncio.Future[Any]:
        if self._closing:
            raise Overloaded("The server is shutting down: try again in a moment.")
        if len(self._queue) >= self.queue_bound:
            self.counts.turned_away += 1
            raise Overloaded("The server is busy: try again in a moment.")
        self._queue.append(waiting)
        self._wake.set()
        return waiting.future

    async def _write(self) -> None:
        while not (self._closing and not self._queue):
            if self._queue:
                await self._try([self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))])
            if self.others.is_due:
                await self.others.catch_up()
            elif not self._queue and not self._closing:
                self._wake.clear()
                await self._wake.wait()
        self.others.let_go()

    async def _try(self, waiting: list[_Waiting]) -> None:
        self._begun = time.time_ns()
        try:
            await self._commit(waiting)
        except Exception as error:  # the store refused them all: their callers are told, the next ones are tried
            self.counts.batches_failed += 1
            if isinstance(error, Refusal):
                log.error("a batch of %d requests could not be committed: %s", len(waiting), error)
            else:
                log.exception("a batch of %d requests could not be committed", len(waiting))
            for one in waiting:
                if not one.future.done():
                    one.future.set_exception(error)

    async def _commit(self, waiting: list[_Waiting]) -> None:
        for _ in range(MAX_TURNS):
            try:
                done = await self._take_turn(waiting)
            except StaleStateError:  # rows have changed that nobody announced
                self._memory.states.clear()
                continue
            except Exception as error:
                if len(waiting) == 1 or isinstance(error, Refusal | OperationalError | InterfaceError):
                    raise  # it is this one's doing, or the store's
                break
            if done is None:
                continue
            draft, outcomes, committed = done
            self.counts.refused += sum(isinstance(outcome, Refusal) for outcome in outcomes)
            self.others.known = committed.heads
            self._publish(draft, waiting)
            self._answer(waiting, outcomes)
            if changed := draft.batch.new_callbacks:
                self.others.on_changes([*map(EndpointChanged, changed)])
            self._tell(deliveries := list(draft.deliveries(committed.held.commit + 1)))
            self.others.tell_others(deliveries, committed, is_told=draft.batch.notice is not None)
            return
        else:
            raise Overloaded("Other nodes are ahead of this one: try again in a moment.")
        # It is one request's doing: halves of halves find it in a few commits, and it alone is told.
        half = len(waiting) // 2
        await self._try(waiting[:half])
        await self._try(waiting[half:])

    async def _take_turn(self, waiting: list[_Waiting]) -> tuple[Draft, list[Outcome], Committed] | None:
        """Decides and commits, on what other nodes have committed meanwhile if they have; None: there is too much of it
        to read while they wait, and this node has to take another turn when it has caught up.
        """
        await self.others.take_in_what_was_said()
        draft, outcomes = await self._decide(waiting, self.store.glance)
        if draft.batch.is_empty:
            if await self.others.is_overtaken():  # what needs no commit is decided on the truth as well
                return None
            return draft, outcomes, Committed(self.others.known, self.others.known)
        known = self.others.known
        turn = await self._timed(draft, lambda: self.store.turn(known, partial(commit_batch, batch=draft.batch)))
        if not isinstance(turn, Behind):
            return draft, outcomes, turn
        self.counts.decided_again += 1
        try:
            if turn.news.is_lost or not turn.news.is_all:
                await turn.abandon()
                self.others.look()
                await self.others.catch_up()
                return None
            await self.others.take_in(turn.news, turn.read)
            again, outcomes = await self._decide(waiting, turn.read)
            commit = partial(commit_batch, batch=again.batch)
            return again, outcomes, await self._timed(again, lambda: turn.finish(commit))
        except BaseException:
            await turn.abandon()
            raise

    async def _decide(self, waiting: list[_Waiting], look: Reading) -> tuple[Draft, list[Receipt | Exception | None]]:
        requests = [(one.command, one.key) for one in waiting if one.command is not None]
        facts = await gather(requests, self._memory, look)
        draft = Draft(facts, self.clock.now())
        draft.batch.notice = self.bus.notice if self.others.has_others else None
        outcomes: list[Outcome] = []
        for one in waiting:
            outcome: Outcome = None
            if one.command is not None:
                try:
                    outcome = draft.decide(one.command, one.key)
                except Refusal as refusal:
                    outcome = refusal
                except Exception as error:  # a defect of ours: this caller gets a 500, its neighbours what is theirs
                    log.exception("a %s could not be decided", type(one.command).__name__)
                    outcome = error
            elif one.signal is not None:
                draft.signal(*one.signal)
            elif one.work is not None:
                draft.batch.works.append(one.work.run)
            outcomes.append(outcome)
        draft.close()
        return draft, outcomes

    async def _timed(self, draft: Draft, commit: Callable[[], Awaitable[T]]) -> T:
        begun = time.perf_counter()
        try:
            result = await commit()
        except BaseException:
            self._forget_touched(draft)
            raise
        finally:
            self._memory.generation += 1
        if isinstance(result, Behind):
            self._forget_touched(draft)
        else:
            self.counts.committed(len(draft.batch.events), time.perf_counter() - begun)
        return result

    def _forget_touched(self, draft: Draft) -> None:
        for key in draft.touched:
            self._memory.targets.drop(key)

    def _publish(self, draft: Draft, waiting: list[_Waiting]) -> None:
        memory = self._memory
        for key, target in draft.touched.items():
            memory.targets.put(key, target)
        for conversation_id, state in draft.states.items():
            if state.state == "DELETED":
                memory.states.drop(conversation_id)
            else:
                memory.states.put(conversation_id, state)
        for one in waiting:
            if one.work is not None:
                for person in one.work.people:
                    memory.people.drop(person.user_id)
                if one.work.people:
                    memory.targets.clear()  # they carry snapshots of people

    def _answer(self, waiting: list[_Waiting], outcomes: list[Outcome]) -> None:
        if tracing.tracer is not None:
            commands = [one.span for one in waiting if one.span is not None]
            tracing.tracer.batch(self._begun, commands, len(waiting))
        for one, outcome in zip(waiting, outcomes, strict=True):
            if one.future.done():  # its caller has gone; what it asked for has happened
                continue
            if one.work is not None:
                one.work.settle(one.future)
            elif isinstance(outcome, Exception):
                one.future.set_exception(outcome)
            else:
                one.future.set_result(outcome)

    def _tell(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            event = delivery.event
            if (
                not delivery.is_remote
                and delivery.entry.acknowledged
                and event.conversation_id is not None
                and event.id is not None
            ):
                # A message is about to be receipted by everyone who hears it.
                self._memory.targets.put((event.conversation_id, event.id), Target(event))
        if deliveries:
            for tap in self._taps:
                try:
                    tap(deliveries)
                except Exception:
                    log.exception("a tap failed; the others have heard")
