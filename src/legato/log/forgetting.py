"""Deleting a user: out of every conversation, then out of the store; ``upkeep`` takes the name out of old events."""

from __future__ import annotations

from functools import partial

from legato.conversations import Caller, LeaveMember
from legato.events.refusal import NotFound, Refusal
from legato.log.log import Log
from legato.store.conversations import conversations_of_user
from legato.store.erasure import delete_user
from legato.store.heads import PersonChanged


async def forget_user(log_: Log, application_id: str, user_id: str) -> bool:
    """Deletes a user: its memberships end, then the user goes. False when there is no such user.

    Returns when the user is gone for every reader of users, members and sessions; the log's older events are blanked
    in the background, and after a crash too. Raises Overloaded; asked again it goes on.
    """
    await _leave_everywhere(log_, application_id, user_id)
    person = PersonChanged(user_id, application_id)
    found = await log_.transact(partial(delete_user, user_id=user_id, now=log_.clock.now()), people=[person])
    # Whoever joined the user between the two steps did so before this commit, and is seen now.
    await _leave_everywhere(log_, application_id, user_id)
    return found


async def _leave_everywhere(log_: Log, application_id: str, user_id: str) -> None:
    system = Caller(application_id, system=True)
    for conversation_id, member_id in await log_.read(partial(conversations_of_user, user_id=user_id)):
        try:
            await log_.submit(LeaveMember(conversation_id=conversation_id, by=system, member_id=member_id))
        except Refusal as refusal:
            # Left meanwhile, or the conversation was deleted: what was wanted.
            if not isinstance(refusal, NotFound) and refusal.code != "conversation:error:invalid-member-state":
                raise
