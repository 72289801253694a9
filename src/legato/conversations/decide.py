"""``decide(state, command, world) → Decision``: what is allowed, decided where the order is decided.

Pure: no clock, no ids made, no I/O. A refused command raises a Refusal and has changed nothing.
"""

from __future__ import annotations

from functools import singledispatch

from legato.conversations import membership, posting, settings
from legato.conversations.commands import (
    Command,
    CreateConversation,
    DeleteConversation,
    DeleteEvent,
    InviteMember,
    JoinMember,
    LeaveMember,
    PostEvent,
    UpdateConversation,
)
from legato.conversations.model import Conversation, ConversationState
from legato.conversations.world import Decision, World
from legato.events.refusal import Forbidden, NotFound


def decide(state: Conversation | None, command: Command, world: World) -> Decision:
    """What ``command`` comes to on ``state`` (None: there is no such conversation yet).

    Raises Refusal. The events of the answer are numbered from ``state.sequence + 1``.
    """
    if isinstance(command, CreateConversation):
        return settings.create(command, world)
    if state is None or state.state is ConversationState.DELETED or state.application_id != command.by.application_id:
        raise no_such_conversation()
    if state.state is ConversationState.INACTIVE and not _is_deleting(command):
        # Conversation API documentation: an inactive conversation answers GET and DELETE only.
        raise Forbidden("The conversation is inactive.", code="conversation:error:not-allowed")
    return _decide(command, state, world)


def _is_deleting(command: Command) -> bool:
    """Whether it is a DELETE, or the server's own doing."""
    if isinstance(command, LeaveMember):
        return command.by_delete or command.by.system
    return isinstance(command, DeleteConversation | DeleteEvent) or command.by.system


def no_such_conversation() -> NotFound:
    """The answer for what is absent, deleted or another application's: from outside they look the same."""
    return NotFound("conversation:error:not-found", "The conversation does not exist, or you do not have access to it.")


@singledispatch
def _decide(command: Command, state: Conversation, world: World) -> Decision:
    raise TypeError(f"no decision for {type(command).__name__}")


@_decide.register
def _(command: UpdateConversation, state: Conversation, world: World) -> Decision:
    return settings.update(command, state, world)


@_decide.register
def _(command: DeleteConversation, state: Conversation, world: World) -> Decision:
    return settings.delete(command, state, world)


@_decide.register
def _(command: InviteMember, state: Conversation, world: World) -> Decision:
    return membership.invite(command, state, world)


@_decide.register
def _(command: JoinMember, state: Conversation, world: World) -> Decision:
    return membership.join(command, state, world)


@_decide.register
def _(command: LeaveMember, state: Conversation, world: World) -> Decision:
    return membership.leave(command, state, world)


@_decide.register
def _(command: PostEvent, state: Conversation, world: World) -> Decision:
    return posting.post(command, state, world)


@_decide.register
def _(command: DeleteEvent, state: Conversation, world: World) -> Decision:
    return posting.delete(command, state, world)
