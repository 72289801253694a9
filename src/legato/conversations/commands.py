"""What can be asked of a conversation. New ids are made by who asks, so that deciding stays a pure function."""

from __future__ import annotations

from typing import Literal

import msgspec

from legato.conversations.model import Caller
from legato.events.envelope import JsonObject, Person


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A request to one conversation, made by ``by``."""

    conversation_id: str
    by: Caller


class CreateConversation(Command, frozen=True, kw_only=True):
    """``name`` must be free in the application; the caller is not joined by it."""

    name: str
    display_name: str | None = None
    image_url: str | None = None
    properties: JsonObject = {}
    numbers: list[JsonObject] = []
    callback: JsonObject | None = None


class UpdateConversation(Command, frozen=True, kw_only=True):
    """``changes`` maps field to new value (None clears); ``properties`` are merged key by key."""

    changes: JsonObject


class DeleteConversation(Command, frozen=True, kw_only=True):
    """``reason``: ``deleted`` when asked for, ``ttl`` when its time ran out."""

    reason: str = "deleted"


class InviteMember(Command, frozen=True, kw_only=True):
    """Makes member ``member_id`` for ``user``; ``inviting`` names the member who invites, if not the caller's own."""

    member_id: str
    user: Person
    channel: JsonObject
    media: JsonObject | None = None
    inviting: str | None = None
    knocking_id: str | None = None


class JoinMember(Command, frozen=True, kw_only=True):
    """Joins ``user``: accepts ``accepts`` or the user's open invitation on that channel, else a new member is made.

    The member keeps its id when an invitation is accepted; ``member_id`` is used otherwise.
    """

    member_id: str
    user: Person
    channel: JsonObject
    media: JsonObject | None = None
    accepts: str | None = None
    knocking_id: str | None = None


class LeaveMember(Command, frozen=True, kw_only=True):
    """Ends a membership: leaving, declining and kicking are one thing; the caller tells which.

    ``by_delete``: it was asked for with DELETE, which an inactive conversation answers too.
    """

    member_id: str
    reason: JsonObject | None = None
    acting: str | None = None  # the member id the caller names as its own
    by_delete: bool = False


class PostEvent(Command, frozen=True, kw_only=True):
    """Appends (or signals) an event of a creatable type; ``body`` has passed the catalogue.

    ``dialect`` is ``chat`` when a client of that generation posts it.
    """

    type: str
    body: JsonObject
    from_: str | None = None
    to: str | None = None
    params: JsonObject | None = None
    dialect: Literal["chat"] | None = None


class DeleteEvent(Command, frozen=True, kw_only=True):
    """Blanks an event; its author or the application may."""

    event_id: int
    from_: str | None = None
