"""What v0.1 and v0.2 write alike: references for what was made or changed, flat members, ``{}`` for nothing."""

from __future__ import annotations

import msgspec

from legato.api.contract import answers
from legato.api.render.modern import SILENT, initiator
from legato.api.render.renderer import Renderer
from legato.api.render.shapes import Empty, NamedReference, Reference
from legato.api.render.views import ConversationView, EventView, MemberView
from legato.conversations import Conversation
from legato.conversations.user import User
from legato.events.envelope import JsonObject
from legato.events.moment import iso


class UserBody(msgspec.Struct, frozen=True):
    """A user."""

    id: str
    name: str
    display_name: str | None
    image_url: str | None
    custom_data: JsonObject
    properties: JsonObject
    channels: JsonObject
    timestamp: dict[str, str]
    href: str


class MemberBody(msgspec.Struct, frozen=True):
    """A member, flat. ``id`` and ``member_id`` are the same: readers of lists want one, of conversations the other."""

    id: str
    member_id: str
    user_id: str
    name: str
    user_name: str
    display_name: str | None
    state: str
    channel: JsonObject
    initiator: JsonObject
    timestamp: dict[str, str]
    media: JsonObject
    legs: list[JsonObject]
    leg_ids: list[str]
    isDisabledCallback: bool  # noqa: N815 - the name on the wire
    href: str
    invited_by: str | msgspec.UnsetType = msgspec.UNSET


class EventReference(msgspec.Struct, frozen=True):
    """An event that was made; one that is not kept has no id."""

    timestamp: str
    href: str
    id: int | msgspec.UnsetType = msgspec.UNSET


class V0(Renderer):
    """Writes the answers that v0.1 and v0.2 share."""

    @answers(200, "The user was created.")
    def user_created(self, base: str, user: User) -> Reference:
        """A new user."""
        return Reference(user.id, f"{base}/users/{user.id}")

    @answers(200)
    def user(self, base: str, user: User) -> UserBody:
        """A user."""
        timestamp = {"created": iso(user.created_at)}
        if user.updated_at is not None:
            timestamp["updated"] = iso(user.updated_at)
        return UserBody(
            user.id,
            user.name,
            user.display_name,
            user.image_url,
            user.properties.get("custom_data") or {},
            user.properties,
            user.channels,
            timestamp,
            f"{base}/users/{user.id}",
        )

    @answers(200, "The user was changed.")
    def user_changed(self, base: str, user: User) -> NamedReference:
        """A user after a change."""
        return NamedReference(user.id, user.name, f"{base}/users/{user.id}")

    @answers(200, "The user was deleted.")
    def user_deleted(self) -> Empty:
        """Nothing."""
        return Empty()

    @answers(200, "The conversation was created.")
    def conversation_created(self, base: str, conversation: Conversation) -> Reference:
        """A new conversation."""
        return Reference(conversation.id, f"{base}/conversations/{conversation.id}")

    @answers(200, "The conversation was changed.")
    def conversation_changed(self, base: str, view: ConversationView) -> Reference:
        """A conversation after a change."""
        return Reference(view.conversation.id, f"{base}/conversations/{view.conversation.id}")

    @answers(200, "The conversation was deleted.")
    def conversation_deleted(self) -> Empty:
        """Nothing."""
        return Empty()

    @answers(200, "The user is a member.")
    def member_made(self, base: str, view: MemberView) -> MemberBody:
        """A new member."""
        return flat_member(base, view)

    @answers(200)
    def member(self, base: str, view: MemberView) -> MemberBody:
        """A member."""
        return flat_member(base, view)

    @answers(200, "The member was changed.")
    def member_changed(self, base: str, view: MemberView) -> Reference:
        """A member after a change."""
        return Reference(view.member.id, member_place(base, view))

    @answers(200, "The member has left.")
    def member_left(self) -> Empty:
        """Nothing."""
        return Empty()

    @answers(200, "The event was appended, or passed on if its type is not kept.")
    def event_made(self, base: str, view: EventView) -> EventReference:
        """A new event."""
        identifier = msgspec.UNSET if view.id is None else view.id
        return EventReference(view.envelope["timestamp"], event_place(base, view), identifier)

    @answers(200)
    def event(self, base: str, view: EventView) -> JsonObject:
        """An event."""
        return {**view.envelope, "href": event_place(base, view)}

    @answers(200, "The event was blanked.")
    def event_deleted(self) -> Empty:
        """Nothing."""
        return Empty()

    @answers(200, "The session has ended.")
    def session_ended(self) -> Empty:
        """Nothing."""
        return Empty()


def flat_member(base: str, view: MemberView) -> MemberBody:
    """A member with its user's names beside it."""
    it, person = view.member, view.person
    leg = it.channel.get("id")
    return MemberBody(
        id=it.id,
        member_id=it.id,
        user_id=it.user_id,
        name=person.name,
        user_name=person.name,
        display_name=person.display_name,
        state=it.state.value,
        channel=it.channel,
        initiator=initiator(it, "isSystem"),
        timestamp=it.timestamp,
        media=it.media or SILENT,
        legs=it.channel.get("legs") or [],
        leg_ids=it.channel.get("leg_ids") or ([leg] if leg else []),
        isDisabledCallback=False,
        href=member_place(base, view),
        invited_by=msgspec.UNSET if it.invited_by is None else it.invited_by,
    )


def member_place(base: str, view: MemberView) -> str:
    """Where the member is."""
    return f"{base}/conversations/{view.conversation_id}/members/{view.member.id}"


def event_place(base: str, view: EventView) -> str:
    """Where the event is; the log it passed through when it is not kept."""
    place = f"{base}/conversations/{view.conversation_id}/events"
    return place if view.id is None else f"{place}/{view.id}"
