"""The parts that answers are made of, in every generation."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from legato.api.paging import Page
from legato.events.envelope import JsonObject


class Link(msgspec.Struct, frozen=True):
    """Where something is."""

    href: str


class SelfLink(msgspec.Struct, frozen=True):
    """The usual ``_links`` of a thing."""

    self: Link


class PageLinks(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ``_links`` of a page; ``next`` and ``prev`` are absent at the ends."""

    first: Link
    self: Link
    next: Link | None = None
    prev: Link | None = None


class Empty(msgspec.Struct, frozen=True):
    """``{}``, which the oldest generations answer when there is nothing to say."""


class Reference(msgspec.Struct, frozen=True):
    """What the oldest generations answer when something was made or changed."""

    id: str
    href: str


class NamedReference(msgspec.Struct, frozen=True):
    """The same, with the name."""

    id: str
    name: str
    href: str


class MediaState(msgspec.Struct, frozen=True):
    """What a member hears and says, and what is happening to the conversation's audio."""

    mute: bool = False
    earmuff: bool = False
    play_stream: bool = False
    tts: bool = False
    recording: bool = False
    transcribing: bool = False


class SessionUser(msgspec.Struct, frozen=True):
    """Whose session it is."""

    id: str
    name: str


class SessionEmbedded(msgspec.Struct, frozen=True):
    """What is embedded in a session."""

    user: SessionUser
    api_key: str


class SessionItem(msgspec.Struct, frozen=True):
    """A client session."""

    id: str
    properties: JsonObject
    embedded: SessionEmbedded = field(name="_embedded")
    links: SelfLink = field(name="_links")


class Refreshed(msgspec.Struct, frozen=True):
    """A session that has a new token."""

    session_id: str


def self_link(href: str) -> SelfLink:
    """``{"self": {"href": …}}``."""
    return SelfLink(Link(href))


def page_links(page: Page[Any]) -> PageLinks:
    """The links of a page."""
    return PageLinks(**{name: Link(href) for name, href in page.links.items()})
