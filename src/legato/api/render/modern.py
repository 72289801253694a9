"""What v0.3 and v1 write alike: whole objects with ``_links``, 201 for what was made, 204 for what is gone."""

from __future__ import annotations

import msgspec

from legato.api.contract import answers
from legato.api.paging import Page
from legato.api.render.modern_shapes import (
    ConversationBody,
    ConversationEmbedded,
    ConversationItem,
    Conversations,
    ConversationsEmbedded,
    MemberBody,
    MemberEmbedded,
    MemberItem,
    MemberLinks,
    Members,
    MembersEmbedded,
    MemberUser,
    OwnConversation,
    OwnConversations,
    OwnConversationsEmbedded,
    OwnEmbedded,
    OwnMember,
    UserBody,
    UserItem,
    Users,
    UsersEmbedded,
)
from legato.api.render.renderer import Renderer
from legato.api.render.shapes import Link, MediaState, page_links, self_link
from legato.api.render.views import ConversationView, EventView, MemberView
from legato.conversations import Conversation, Member
from legato.conversations.user import User
from legato.events.envelope import JsonObject, Person
from legato.events.moment import iso
from legato.store.conversation_lists import Participation


class Modern(Renderer):
    """Writes the answers that v0.3 and v1 share."""

    @answers(201, "The user was created.")
    def user_created(self, base: str, user: User) -> UserBody:
        """A new user."""
        return user_body(base, user)

    @answers(200)
    def user(self, base: str, user: User) -> UserBody:
        """A user."""
        return user_body(base, user)

    @answers(200, "The user was changed.")
    def user_changed(self, base: str, user: User) -> UserBody:
        """A user after a change."""
        return user_body(base, user)

    @answers(204, "The user was deleted.")
    def user_deleted(self) -> None:
        """Nothing."""

    @answers(200)
    def users(self, base: str, page: Page[User]) -> Users:
        """A page of users."""
        items = [
            UserItem(user.id, user.name, user.display_name, self_link(f"{base}/users/{user.id}")) for user in page.items
        ]
        return Users(page.size, page_links(page), UsersEmbedded(items))

    @answers(200)
    def user_conversations(self, base: str, page: Page[Participation], custom_data: bool) -> OwnConversations:
        """A page of a user's conversations."""
        items = [_own(base, item, custom_data) for item in page.items]
        return OwnConversations(page.size, page_links(page), OwnConversationsEmbedded(items))

    @answers(201, "The conversation was created.")
    def conversation_created(self, base: str, conversation: Conversation) -> ConversationBody:
        """A new conversation."""
        return conversation_body(base, ConversationView(conversation))

    @answers(200)
    def conversation(self, base: str, view: ConversationView) -> ConversationBody:
        """A conversation."""
        return conversation_body(base, view)

    @answers(200, "The conversation was changed.")
    def conversation_changed(self, base: str, view: ConversationView) -> ConversationBody:
        """A conversation after a change."""
        return conversation_body(base, view)

    @answers(204, "The conversation was deleted.")
    def conversation_deleted(self) -> None:
        """Nothing."""

    @answers(200)
    def conversations(self, base: str, page: Page[Conversation]) -> Conversations:
        """A page of conversations."""
        items = [
            ConversationItem(
                item.id,
                item.name,
                item.display_name,
                item.image_url,
                item.timestamp,
                self_link(f"{base}/conversations/{item.id}"),
            )
            for item in page.items
        ]
        return Conversations(page.size, page_links(page), ConversationsEmbedded(items))

    @answers(201, "The user is a member.")
    def member_made(self, base: str, view: MemberView) -> MemberBody:
        """A new member."""
        return member_body(base, view)

    @answers(200)
    def member(self, base: str, view: MemberView) -> MemberBody:
        """A member."""
        return member_body(base, view)

    @answers(200, "The member was changed.")
    def member_changed(self, base: str, view: MemberView) -> MemberBody:
        """A member after a change."""
        return member_body(base, view)

    @answers(204, "The member has left.")
    def member_left(self) -> None:
        """Nothing."""

    @answers(200)
    def members(self, base: str, page: Page[MemberView]) -> Members:
        """A page of members."""
        return Members(page.size, page_links(page), MembersEmbedded([_member_item(base, view) for view in page.items]))

    @answers(201, "The event was appended, or passed on if its type is not kept.")
    def event_made(self, base: str, view: EventView) -> JsonObject:
        """A new event."""
        return event_body(base, view)

    @answers(200)
    def event(self, base: str, view: EventView) -> JsonObject:
        """An event."""
        return event_body(base, view)

    @answers(204, "The event was blanked.")
    def event_deleted(self) -> None:
        """Nothing."""

    @answers(204, "The session has ended.")
    def session_ended(self) -> None:
        """Nothing."""


def user_body(base: str, user: User) -> UserBody:
    """A user, whole."""
    timestamp = {"created": iso(user.created_at)}
    if user.updated_at is not None:
        timestamp["updated"] = iso(user.updated_at)
    return UserBody(
        user.id,
        user.name,
        user.display_name,
        user.image_url,
        user.properties,
        user.channels,
        timestamp,
        self_link(f"{base}/users/{user.id}"),
    )


def conversation_body(base: str, view: ConversationView) -> ConversationBody:
    """A conversation, whole."""
    it = view.conversation
    body = ConversationBody(
        it.id,
        it.name,
        it.display_name,
        it.image_url,
        it.state.value,
        it.sequence,
        it.timestamp,
        it.properties,
        self_link(f"{base}/conversations/{it.id}"),
    )
    if not view.is_user:
        return body
    mine = view.mine
    settings = (mine.member.media or {}).get("audio_settings", {}) if mine else {}
    state = MediaState(mute=bool(settings.get("muted")), earmuff=bool(settings.get("earmuffed")))
    if mine is None:
        return msgspec.structs.replace(body, media_state=state)
    return msgspec.structs.replace(body, media_state=state, embedded=ConversationEmbedded(member_body(base, mine)))


SILENT: JsonObject = {"audio_settings": {"enabled": False, "earmuffed": False, "muted": False}, "audio": False}


def member_body(base: str, view: MemberView) -> MemberBody:
    """A member, whole."""
    it = view.member
    return MemberBody(
        id=it.id,
        conversation_id=view.conversation_id,
        state=it.state.value,
        channel=it.channel,
        media=it.media or SILENT,
        timestamp=it.timestamp,
        initiator=initiator(it, "is_system"),
        embedded=_member_embedded(base, view.person),
        links=_member_links(base, view),
        invited_by=it.invited_by,
        knocking_id=it.knocking_id,
    )


def initiator(member: Member, spelling: str) -> JsonObject:
    """Who made the member what it is; ``isSystem`` is ``is_system`` on v0.3 and v1."""
    return {
        step: {spelling if key == "isSystem" else key: value for key, value in who.items()}
        for step, who in member.initiator.items()
    }


def _member_item(base: str, view: MemberView) -> MemberItem:
    it = view.member
    embedded, links = _member_embedded(base, view.person), _member_links(base, view)
    return MemberItem(it.id, it.state.value, it.timestamp, it.channel, embedded, links)


def _member_embedded(base: str, person: Person) -> MemberEmbedded:
    image = msgspec.UNSET if person.image_url is None else person.image_url
    links = self_link(f"{base}/users/{person.id}")
    return MemberEmbedded(MemberUser(person.id, person.name, person.display_name, links, image))


def _member_links(base: str, view: MemberView) -> MemberLinks:
    href = f"{base}/conversations/{view.conversation_id}/members/{view.member.id}"
    return MemberLinks(href, Link(href))


def _own(base: str, item: Participation, custom_data: bool) -> OwnConversation:
    it = item.conversation
    return OwnConversation(
        it.id,
        it.name,
        it.display_name,
        it.image_url,
        it.state.value,
        it.sequence,
        it.timestamp,
        OwnEmbedded(OwnMember(item.member.id, item.member.state.value)),
        self_link(f"{base}/conversations/{it.id}"),
        it.properties if custom_data else msgspec.UNSET,
    )


def event_body(base: str, view: EventView) -> JsonObject:
    """An event with its link; one that is not kept has neither id nor a place of its own."""
    place = f"{base}/conversations/{view.conversation_id}/events"
    return {**view.envelope, "_links": {"self": {"href": place if view.id is None else f"{place}/{view.id}"}}}
