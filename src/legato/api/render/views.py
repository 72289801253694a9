"""What handlers hand to the renderers, where it is more than a value of the domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from legato.conversations import Conversation, Member
from legato.events.envelope import JsonObject, Person


class MemberView(NamedTuple):
    """A member, and who it is, in a conversation."""

    conversation_id: str
    member: Member
    person: Person


class ConversationView(NamedTuple):
    """A conversation as a caller sees it. ``mine`` is the calling user's member; an application's token has none."""

    conversation: Conversation
    members: Sequence[MemberView] = ()
    mine: MemberView | None = None
    is_user: bool = False


class EventView(NamedTuple):
    """An event as a log's reader sees it: its envelope already in the reader's dialect, and its marks."""

    conversation_id: str
    id: int | None
    envelope: JsonObject


class SessionView(NamedTuple):
    """A client session."""

    id: str
    user: Person
    api_key: str
    properties: JsonObject
