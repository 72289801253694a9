"""The shapes of v0.3 and v1."""

from __future__ import annotations

import msgspec
from msgspec import field

from legato.api.render.shapes import Link, MediaState, PageLinks, SelfLink
from legato.events.envelope import JsonObject


class UserBody(msgspec.Struct, frozen=True):
    """A user."""

    id: str
    name: str
    display_name: str | None
    image_url: str | None
    properties: JsonObject
    channels: JsonObject
    timestamp: dict[str, str]
    links: SelfLink = field(name="_links")


class UserItem(msgspec.Struct, frozen=True):
    """A user in a list."""

    id: str
    name: str
    display_name: str | None
    links: SelfLink = field(name="_links")


class UsersEmbedded(msgspec.Struct, frozen=True):
    """The users of a page."""

    users: list[UserItem]


class Users(msgspec.Struct, frozen=True):
    """A page of users."""

    page_size: int
    links: PageLinks = field(name="_links")
    embedded: UsersEmbedded = field(name="_embedded")


class MemberLinks(msgspec.Struct, frozen=True):
    """Where a member is, in the spellings of both generations' documentation."""

    href: str
    self: Link


class MemberUser(msgspec.Struct, frozen=True):
    """Who a member is."""

    id: str
    name: str
    display_name: str | None
    links: SelfLink = field(name="_links")
    image_url: str | msgspec.UnsetType | None = msgspec.UNSET


class MemberEmbedded(msgspec.Struct, frozen=True):
    """What is embedded in a member."""

    user: MemberUser


class MemberBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member."""

    id: str
    conversation_id: str
    state: str
    channel: JsonObject
    media: JsonObject
    timestamp: dict[str, str]
    initiator: JsonObject
    embedded: MemberEmbedded = field(name="_embedded")
    links: MemberLinks = field(name="_links")
    invited_by: str | None = None
    knocking_id: str | None = None


class MemberItem(msgspec.Struct, frozen=True):
    """A member in a list."""

    id: str
    state: str
    timestamp: dict[str, str]
    channel: JsonObject
    embedded: MemberEmbedded = field(name="_embedded")
    links: MemberLinks = field(name="_links")


class MembersEmbedded(msgspec.Struct, frozen=True):
    """The members of a page."""

    members: list[MemberItem]


class Members(msgspec.Struct, frozen=True):
    """A page of members."""

    page_size: int
    links: PageLinks = field(name="_links")
    embedded: MembersEmbedded = field(name="_embedded")


class ConversationEmbedded(msgspec.Struct, frozen=True):
    """The caller's own place in a conversation."""

    member: MemberBody


class ConversationBody(msgspec.Struct, frozen=True):
    """A conversation; a user's token also gets its own member and what it hears."""

    id: str
    name: str
    display_name: str | None
    image_url: str | None
    state: str
    sequence_number: int
    timestamp: dict[str, str]
    properties: JsonObject
    links: SelfLink = field(name="_links")
    media_state: MediaState | msgspec.UnsetType = msgspec.UNSET
    embedded: ConversationEmbedded | msgspec.UnsetType = field(name="_embedded", default=msgspec.UNSET)


class ConversationItem(msgspec.Struct, frozen=True):
    """A conversation in a list."""

    id: str
    name: str
    display_name: str | None
    image_url: str | None
    timestamp: dict[str, str]
    links: SelfLink = field(name="_links")


class ConversationsEmbedded(msgspec.Struct, frozen=True):
    """The conversations of a page."""

    conversations: list[ConversationItem]


class Conversations(msgspec.Struct, frozen=True):
    """A page of conversations."""

    page_size: int
    links: PageLinks = field(name="_links")
    embedded: ConversationsEmbedded = field(name="_embedded")


class OwnMember(msgspec.Struct, frozen=True):
    """The user's place in a conversation, in a list."""

    id: str
    state: str


class OwnEmbedded(msgspec.Struct, frozen=True):
    """What is embedded in a user's conversation."""

    member: OwnMember


class OwnConversation(msgspec.Struct, frozen=True):
    """A user's conversation in a list."""

    id: str
    name: str
    display_name: str | None
    image_url: str | None
    state: str
    sequence_number: int
    timestamp: dict[str, str]
    embedded: OwnEmbedded = field(name="_embedded")
    links: SelfLink = field(name="_links")
    properties: JsonObject | msgspec.UnsetType = msgspec.UNSET


class OwnConversationsEmbedded(msgspec.Struct, frozen=True):
    """The user's conversations of a page."""

    conversations: list[OwnConversation]


class OwnConversations(msgspec.Struct, frozen=True):
    """A page of a user's conversations."""

    page_size: int
    links: PageLinks = field(name="_links")
    embedded: OwnConversationsEmbedded = field(name="_embedded")


class EventsEmbedded(msgspec.Struct, frozen=True):
    """The events of a page."""

    events: list[JsonObject]


class Events(msgspec.Struct, frozen=True):
    """A page of events."""

    page_size: int
    links: PageLinks = field(name="_links")
    embedded: EventsEmbedded = field(name="_embedded")
