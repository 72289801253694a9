"""v0.1, also called beta: bare arrays for lists, and no pages but for conversations."""

from __future__ import annotations

import msgspec
from msgspec import field

from legato.api.contract import answers
from legato.api.paging import Page
from legato.api.render.shapes import NamedReference, SelfLink, self_link
from legato.api.render.v0 import V0, MemberBody, event_place, flat_member
from legato.api.render.views import ConversationView, EventView, MemberView
from legato.conversations import Conversation
from legato.conversations.user import User
from legato.events.envelope import JsonObject
from legato.store.conversation_lists import Participation


class ConversationItem(msgspec.Struct, frozen=True):
    """A conversation in a list."""

    uuid: str
    name: str
    display_name: str | None
    links: SelfLink = field(name="_links")


class ConversationsEmbedded(msgspec.Struct, frozen=True):
    """The conversations of a page."""

    conversations: list[ConversationItem]


class Conversations(msgspec.Struct, frozen=True):
    """A page of conversations: ``count`` of all, from the ``record_index``-th on."""

    count: int
    page_size: int
    record_index: int
    links: SelfLink = field(name="_links")
    embedded: ConversationsEmbedded = field(name="_embedded")


class ConversationBody(msgspec.Struct, frozen=True):
    """A conversation with its members."""

    uuid: str
    name: str
    display_name: str | None
    image_url: str | None
    sequence_number: int
    state: str
    properties: JsonObject
    numbers: list[JsonObject]
    members: list[MemberBody]
    timestamp: dict[str, str]
    links: SelfLink = field(name="_links")


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


class V01(V0):
    """Writes answers of v0.1."""

    @answers(200)
    def users(self, base: str, page: Page[User]) -> list[NamedReference]:
        """Users."""
        return [NamedReference(user.id, user.name, f"{base}/users/{user.id}") for user in page.items]

    @answers(200)
    def user_conversations(self, base: str, page: Page[Participation], custom_data: bool) -> list[OwnConversation]:
        """A user's conversations."""
        return [_own(base, item) for item in page.items]

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
            [flat_member(base, member) for member in view.members],
            it.timestamp,
            self_link(f"{base}/conversations/{it.id}"),
        )

    @answers(200)
    def conversations(self, base: str, page: Page[Conversation]) -> Conversations:
        """Conversations, counted."""
        items = [
            ConversationItem(it.id, it.name, it.display_name, self_link(f"{base}/conversations/{it.id}"))
            for it in page.items
        ]
        links = self_link(page.links["self"])
        return Conversations(page.count, page.size, page.index, links, ConversationsEmbedded(items))

    @answers(200)
    def members(self, base: str, page: Page[MemberView]) -> list[MemberBody]:
        """Members."""
        return [flat_member(base, view) for view in page.items]

    @answers(200)
    def events(self, base: str, page: Page[EventView], user_agent: str) -> list[JsonObject]:
        """Events."""
        return [{**view.envelope, "href": event_place(base, view)} for view in page.items]


def _own(base: str, item: Participation) -> OwnConversation:
    """A conversation with the user's place in it."""
    it = item.conversation
    return OwnConversation(
        it.id,
        it.name,
        it.display_name,
        it.image_url,
        it.sequence,
        item.member.state.value,
        item.member.id,
        it.timestamp,
        f"{base}/conversations/{it.id}",
    )
