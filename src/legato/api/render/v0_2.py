"""v0.2, also called beta2: pages, whose items stand under ``_embedded.data``."""

from __future__ import annotations

import msgspec
from msgspec import field

from legato.api.contract import answers
from legato.api.paging import Page
from legato.api.render.shapes import PageLinks, SelfLink, page_links, self_link
from legato.api.render.v0 import V0, MemberBody, event_place, flat_member
from legato.api.render.views import ConversationView, EventView, MemberView
from legato.conversations import Conversation
from legato.conversations.user import User
from legato.events.envelope import JsonObject
from legato.store.conversation_lists import Participation


class UserItem(msgspec.Struct, frozen=True):
    """A user in a list."""

    id: str
    name: str
    href: str
    links: SelfLink = field(name="_links")


class UsersData(msgspec.Struct, frozen=True):
    """The users of a page."""

    users: list[UserItem]


class UsersEmbedded(msgspec.Struct, frozen=True):
    """What a page of users embeds."""

    data: UsersData


class Users(msgspec.Struct, frozen=True):
    """A page of users."""

    page_size: int
    cursor: str | None
    links: PageLinks = field(name="_links")
    embedded: UsersEmbedded = field(name="_embedded")


class ConversationBody(msgspec.Struct, frozen=True):
    """A conversation."""

    id: str
    name: str
    display_name: str | None
    image_url: str | None
    sequence_number: int
    state: str
    properties: JsonObject
    numbers: list[JsonObject]
    timestamp: dict[str, str]
    links: SelfLink = field(name="_links")


class ConversationItem(msgspec.Struct, frozen=True):
    """A conversation in a list."""

    id: str
    name: str
    display_name: str | None
    image_url: str | None
    timestamp: dict[str, str]
    links: SelfLink = field(name="_links")


class ConversationsData(msgspec.Struct, frozen=True):
    """The conversations of a page."""

    conversations: list[ConversationItem]


class ConversationsEmbedded(msgspec.Struct, frozen=True):
    """What a page of conversations embeds."""

    data: ConversationsData


class Conversations(msgspec.Struct, frozen=True):
    """A page of conversations."""

    page_size: int
    cursor: str | None
    links: PageLinks = field(name="_links")
    embedded: ConversationsEmbedded = field(name="_embedded")


class OwnConversation(msgspec.Struct, frozen=True):
    """A user's conversation in a list, with the user's place in it."""

    id: str
    name: str
    display_name: str | None
    image_url: str | None
    sequence_number: int
    state: str
    member_id: str
    timestamp: dict[str, str]
    href: str
    links: SelfLink = field(name="_links")


class OwnConversationsData(msgspec.Struct, frozen=True):
    """The user's conversations of a page."""

    conversations: list[OwnConversation]


class OwnConversationsEmbedded(msgspec.Struct, frozen=True):
    """What a page of a user's conversations embeds."""

    data: OwnConversationsData


class OwnConversations(msgspec.Struct, frozen=True):
    """A page of a user's conversations."""

    page_size: int
    cursor: str | None
    links: PageLinks = field(name="_links")
    embedded: OwnConversationsEmbedded = field(name="_embedded")


class MembersData(msgspec.Struct, frozen=True):
    """The members of a page."""

    members: list[MemberBody]


class MembersEmbedded(msgspec.Struct, frozen=True):
    """What a page of members embeds."""

    data: MembersData


class Members(msgspec.Struct, frozen=True):
    """A page of members."""

    page_size: int
    cursor: str | None
    links: PageLinks = field(name="_links")
    embedded: MembersEmbedded = field(name="_embedded")


class EventsData(msgspec.Struct, frozen=True):
    """The events of a page."""

    events: list[JsonObject]


class EventsEmbedded(msgspec.Struct, frozen=True):
    """What a page of events embeds."""

    data: EventsData


class Events(msgspec.Struct, frozen=True):
    """A page of events."""

    page_size: int
    cursor: str | None
    links: PageLinks = field(name="_links")
    embedded: EventsEmbedded = field(name="_embedded")


class V02(V0):
    """Writes answers of v0.2."""

    @answers(200)
    def users(self, base: str, page: Page[User]) -> Users:
        """A page of users."""
        items = [_user_item(f"{base}/users/{user.id}", user) for user in page.items]
        return Users(page.size, page.cursor, page_links(page), UsersEmbedded(UsersData(items)))

    @answers(200)
    def user_conversations(self, base: str, page: Page[Participation], custom_data: bool) -> OwnConversations:
        """A page of a user's conversations."""
        embedded = OwnConversationsEmbedded(OwnConversationsData([_own(base, item) for item in page.items]))
        return OwnConversations(page.size, page.cursor, page_links(page), embedded)

    @answers(200)
    def conversation(self, base: str, view: ConversationView) -> ConversationBody:
        """A conversation."""
        it = view.conversation
        return ConversationBody(
            it.id,
            it.name,
            it.display_name,
            it.image_url,
            it.sequence,
            it.state.value,
            it.properties,
            it.numbers,
            it.timestamp,
            self_link(f"{base}/conversations/{it.id}"),
        )

    @answers(200)
    def conversations(self, base: str, page: Page[Conversation]) -> Conversations:
        """A page of conversations."""
        items = [
            ConversationItem(
                it.id,
                it.name,
                it.display_name,
                it.image_url,
                it.timestamp,
                self_link(f"{base}/conversations/{it.id}"),
            )
            for it in page.items
        ]
        embedded = ConversationsEmbedded(ConversationsData(items))
        return Conversations(page.size, page.cursor, page_links(page), embedded)

    @answers(200)
    def members(self, base: str, page: Page[MemberView]) -> Members:
        """A page of members."""
        items = [flat_member(base, view) for view in page.items]
        return Members(page.size, page.cursor, page_links(page), MembersEmbedded(MembersData(items)))

    @answers(200)
    def events(self, base: str, page: Page[EventView], user_agent: str) -> Events:
        """A page of events."""
        items = [{**view.envelope, "href": event_place(base, view)} for view in page.items]
        return Events(page.size, page.cursor, page_links(page), EventsEmbedded(EventsData(items)))


def _user_item(href: str, user: User) -> UserItem:
    return UserItem(user.id, user.name, href, self_link(href))


def _own(base: str, item: Participation) -> OwnConversation:
    it = item.conversation
    href = f"{base}/conversations/{it.id}"
    return OwnConversation(
        it.id,
        it.name,
        it.display_name,
        it.image_url,
        it.sequence,
        item.member.state.value,
        item.member.id,
        it.timestamp,
        href,
        self_link(href),
    )
