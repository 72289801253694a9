"""Conversations, members and what may happen to them: ``decide`` and ``apply``, without I/O."""

from legato.conversations.apply import apply, fold, member_after
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
from legato.conversations.decide import decide, no_such_conversation
from legato.conversations.deletion import Deletions, after_deletions, without_echo
from legato.conversations.model import (
    MAX_MEMBERS,
    Caller,
    Conversation,
    ConversationState,
    Member,
    MemberState,
    audience_of,
)
from legato.conversations.world import Decision, Mark, NewMark, Target, World

__all__ = [
    "MAX_MEMBERS",
    "Caller",
    "Command",
    "Conversation",
    "ConversationState",
    "CreateConversation",
    "Decision",
    "DeleteConversation",
    "DeleteEvent",
    "Deletions",
    "InviteMember",
    "JoinMember",
    "LeaveMember",
    "Mark",
    "Member",
    "MemberState",
    "NewMark",
    "PostEvent",
    "Target",
    "UpdateConversation",
    "World",
    "after_deletions",
    "apply",
    "audience_of",
    "decide",
    "fold",
    "member_after",
    "no_such_conversation",
    "without_echo",
]
