"""The log's own chores, one after the other, in the background: ttl, retention, erasure, removal."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from legato.conversations import Caller, DeleteConversation
from legato.events.refusal import NotFound, Overloaded
from legato.log.log import Log
from legato.store import erasure, lane_upkeep, upkeep
from legato.store.attempts import forget_attempts
from legato.store.heads import CHANGE_SECONDS, PersonChanged, forget_changes
from legato.store.idempotency import forget_answers

log = logging.getLogger(__name__)

# How often chores are looked for; a ttl or a retention is kept to within this.
INTERVAL_SECONDS = 15.0
# Conversations taken up per look, so that one look stays short.
STEP = 100
IDEMPOTENCY_SECONDS = 24 * 3600.0
ATTEMPT_SECONDS = 7 * 24 * 3600.0
# No leg is silent so long and goes on. Ids of its events stay taken until then, and while dead letters are kept.
STREAM_SECONDS = 24 * 3600.0


class Upkeep:
    """Runs the chores until it is cancelled.

    ``retention_seconds`` is how long events are kept (None: for ever), ``attempt_seconds`` how long what was sent by
    webhook is.
    """

    def __init__(
        self,
        log_: Log,
        *,
        retention_seconds: float | None = None,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._log = log_
        self._retention = retention_seconds
        self._attempt_seconds = attempt_seconds
        self._chores = (
            self._end_conversations,
            self._cut_logs,
            self._erase,
            self._remove_deleted,
            self._forget_answers,
            self._forget_webhooks,
            self._forget_changes,
        )

    async def run(self) -> None:
        """For ever; a chore that fails is told in the server's log and tried again, and holds up no other."""
        while True:
            for chore in self._chores:
                try:
                    await chore()
                except Exception:
                    log.exception("a chore failed and will be tried again")
            await asyncio.sleep(INTERVAL_SECONDS)

    async def once(self) -> None:
        """Everything that is due now."""
        for chore in self._chores:
            await chore()

    async def _erase(self) -> None:
        for user_id in await self._log.read(erasure.pending_erasures):
            person = PersonChanged(user_id)
            for place in await self._log.read(partial(erasure.places_of, user_id=user_id)):
                after: int | None = 0
                while after is not None:
                    step = partial(erasure.erase_step, user_id=user_id, conversation_id=place, after=after)
                    after = await self._log.transact(step, people=[person])
            await self._log.transact(partial(erasure.finish_erasure, user_id=user_id))

    async def _remove_deleted(self) -> None:
        while await self._log.transact(upkeep.remove_deleted):
            pass

    async def _forget_answers(self) -> None:
        before = self._log.clock.now() - IDEMPOTENCY_SECONDS
        await self._log.transact(lambda connection: forget_answers(connection, before))

    async def _forget_webhooks(self) -> None:
        now = self._log.clock.now()
        removals = (
            lane_upkeep.remove_sent,
            partial(lane_upkeep.forget_streams, before=now - max(self._attempt_seconds, STREAM_SECONDS)),
            lane_upkeep.remove_orphans,
            partial(forget_attempts, before=now - self._attempt_seconds),
        )
        for removal in removals:
            while await self._log.transact(partial(removal, limit=lane_upkeep.REMOVAL_STEP)):
                pass

    async def _forget_changes(self) -> None:
        before = self._log.clock.now() - CHANGE_SECONDS
        while await self._log.transact(partial(forget_changes, before=before, limit=lane_upkeep.REMOVAL_STEP)):
            pass

    async def _end_conversations(self) -> None:
        now = self._log.clock.now()
        for due in await self._log.read(lambda connection: upkeep.due_conversations(connection, now, STEP)):
            ends_at = due.last_activity + due.ttl if due.ttl else None
            if ends_at is None or ends_at > now:
                await self._log.transact(partial(upkeep.look_again, conversation_id=due.id, at=ends_at))
                continue
            by = Caller(due.application_id, system=True)
            try:
                await self._log.submit(DeleteConversation(conversation_id=due.id, by=by, reason="ttl"))
            except NotFound:
                log.info("a conversation ended before its ttl did")
            except Overloaded:
                raise  # the others would be refused too
            except Exception:  # one that cannot end keeps no other from it
                log.exception("a conversation could not be ended and will be tried again")

    async def _cut_logs(self) -> None:
        if self._retention is None:
            return
        before = self._log.clock.now() - self._retention
        for conversation_id in await self._log.read(lambda c: upkeep.expired_logs(c, before, STEP)):
            step = partial(upkeep.cut_log, conversation_id=conversation_id, before=before)
            while await self._log.transact(step):
                pass
