"""Conversations and members: the state that is the fold of the log."""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from legato.events.envelope import JsonObject, Person

# Conversation API documentation: 100 members who are invited or joined.
MAX_MEMBERS: Final = 100


class ConversationState(enum.StrEnum):
    """INACTIVE answers GET and DELETE only."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    DELETED = "DELETED"


class MemberState(enum.StrEnum):
    """LEFT is terminal: who joins again is a new member."""

    INVITED = "INVITED"
    JOINED = "JOINED"
    LEFT = "LEFT"


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user's place in a conversation, over one channel.

    ``timestamp`` and ``initiator`` hold only the keys that happened (``invited``, ``joined``, ``left``). ``since`` is
    the id of the event that made the member and ``until`` of the one that ended it: what the member may hear of the
    log. ``invited_by`` is the inviting user's id and ``inviter`` the inviting member's, None for the system.
    """

    id: str
    user_id: str
    state: MemberState
    channel: JsonObject
    timestamp: dict[str, str]
    initiator: JsonObject
    since: int
    until: int | None = None
    media: JsonObject | None = None
    invited_by: str | None = None
    inviter: str | None = None
    knocking_id: str | None = None
    reason: JsonObject | None = None

    @property
    def channel_type(self) -> str:
        """``app``, ``phone``, ``sip`` …"""
        return str(self.channel.get("type", "app"))


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation after event ``sequence``.

    ``members`` holds those who are INVITED or JOINED; whoever LEFT is history, in the store. ``epoch`` grows with
    every event that changes members, rights or the conversation itself, so that writers on several nodes can tell
    whether what they decided on still stands. ``audience`` is the user ids of everyone invited or joined, each once:
    the same object for as long as membership stays.
    """

    id: str
    application_id: str
    name: str
    timestamp: dict[str, str]
    display_name: str | None = None
    image_url: str | None = None
    state: ConversationState = ConversationState.ACTIVE
    properties: JsonObject = {}
    numbers: list[JsonObject] = []
    callback: JsonObject | None = None
    sequence: int = 0
    epoch: int = 0
    members: dict[str, Member] = {}
    audience: tuple[str, ...] = ()

    def members_of(self, user_id: str) -> list[Member]:
        """The user's invited or joined members, oldest first."""
        return [member for member in self.members.values() if member.user_id == user_id]

    def my_member(self, user_id: str) -> Member | None:
        """The user's joined member, else the invited one (``GET …/members/me``)."""
        mine = self.members_of(user_id)
        return next((m for m in mine if m.state is MemberState.JOINED), mine[0] if mine else None)


def audience_of(members: dict[str, Member]) -> tuple[str, ...]:
    """The user ids behind ``members``, each once, in order of membership."""
    return tuple(dict.fromkeys(member.user_id for member in members.values()))


class Caller(msgspec.Struct, frozen=True):
    """Who asks. ``user`` is None for an application's token and for the server itself (``system``).

    What the server asks on its own account, such as that a deleted user leaves, is done in INACTIVE conversations too.
    """

    application_id: str
    user: Person | None = None
    session_id: str | None = None
    system: bool = False
