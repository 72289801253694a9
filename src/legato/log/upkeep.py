"""The log's own chores, one after the other, in the background: ttl, retention, erasure, removal."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from legato.conversations import Caller, DeleteConversation
from legato.events.refusal import NotFound
from legato.log.log import Log
from legato.store import erasure, upkeep

log = logging.getLogger(__name__)

# How often chores are looked for; a ttl or a retention is kept to within this.
INTERVAL_SECONDS = 15.0
# Conversations taken up per look, so that one look stays short.
STEP = 100
IDEMPOTENCY_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Retention:
    """How long events are kept, in seconds; None keeps them for ever."""

    seconds: float | None = None


class Upkeep:
    """Runs the chores until it is cancelled."""

    def __init__(self, log_: Log, retention: Retention, *, interval: float = INTERVAL_SECONDS) -> None:
        self._log = log_
        self._retention = retention
        self._interval = interval

    async def run(self) -> None:
        """For ever; a chore that fails is told in the server's log and tried again."""
        while True:
            try:
                await self.once()
            except Exception:
                log.exception("a chore failed and will be tried again")
            await asyncio.sleep(self._interval)

    async def once(self) -> None:
        """Everything that is due now."""
        now = self._log.clock.now()
        await self._end_conversations(now)
        await self._cut_logs(now)
        await self._erase()
        while await self._log.transact(upkeep.remove_deleted):
            pass
        await self._log.transact(lambda c: upkeep.forget_answers(c, now - IDEMPOTENCY_SECONDS))
        await self._log.transact(lambda c: upkeep.forget_sessions(c, now))

    async def _erase(self) -> None:
        for user_id in await self._log.read(erasure.pending_erasures):
            for place in await self._log.read(partial(erasure.places_of, user_id=user_id)):
                after: int | None = 0
                while after is not None:
                    step = partial(erasure.erase_step, user_id=user_id, conversation_id=place, after=after)
                    after = await self._log.transact(step, people=[user_id])
            await self._log.transact(partial(erasure.finish_erasure, user_id=user_id))

    async def _end_conversations(self, now: float) -> None:
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

    async def _cut_logs(self, now: float) -> None:
        if self._retention.seconds is None:
            return
        before = now - self._retention.seconds
        for conversation_id in await self._log.read(lambda c: upkeep.expired_logs(c, before, STEP)):
            step = partial(upkeep.cut_log, conversation_id=conversation_id, before=before)
            while await self._log.transact(step):
                pass
