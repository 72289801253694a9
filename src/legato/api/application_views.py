"""Applications as the API reads and writes them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from legato.auth.capabilities import Capabilities
from legato.events.envelope import JsonObject
from legato.store.applications import Application

PATH: Final = "/v2/applications"
MAX_NAME: Final = 255  # characters; longer than any that a console shows in one line


class Keys(msgspec.Struct, omit_defaults=True):
    """PEM texts. The private key is only ever in the answer to the request that made it."""

    public_key: str | None = None
    private_key: str | None = None


class GivenKeys(msgspec.Struct):
    """``public_key`` replaces the one in use."""

    public_key: str | None = None


class Privacy(msgspec.Struct, frozen=True):
    """Kept for its owner: this server teaches nothing to anybody."""

    improve_ai: bool = False


class Rendering(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Settings of this server, beyond the platform's: whether ``classic`` clients see messages as ``text``."""

    render_text: bool | None = None


class ApplicationBody(msgspec.Struct):
    """What an application is made from, and what replaces it."""

    # PostgreSQL holds no NUL in a text.
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME, pattern="^[^\\x00]*$")]
    keys: GivenKeys | None = None
    capabilities: Capabilities | None = None
    privacy: Privacy | None = None
    settings: Rendering | None = None


class Link(msgspec.Struct):
    """Where something is."""

    href: str


class SelfLink(msgspec.Struct):
    """Where this is."""

    self: Link


class ApplicationView(msgspec.Struct, omit_defaults=True):
    """An application as its owner sees it."""

    id: str
    name: str
    keys: Keys
    capabilities: JsonObject
    privacy: Privacy
    links: SelfLink = msgspec.field(name="_links")
    settings: JsonObject = {}


class ApplicationList(msgspec.Struct):
    """The applications of one page."""

    applications: list[ApplicationView]


class PageLinks(msgspec.Struct, omit_defaults=True):
    """Links of a page; ``next`` and ``prev`` are absent at the ends."""

    self: Link
    first: Link
    last: Link
    next: Link | None = None
    prev: Link | None = None


class ApplicationPage(msgspec.Struct):
    """One page, counted from 1."""

    page_size: int
    page: int
    total_items: int
    total_pages: int
    embedded: ApplicationList = msgspec.field(name="_embedded")
    links: PageLinks = msgspec.field(name="_links")


class ApplicationQuery(msgspec.Struct):
    """Which page. The bound on ``page`` keeps an offset within what a database counts to."""

    page_size: Annotated[int, Meta(ge=1, le=100)] = 10
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


def view_of(application: Application, private_key: str | None = None) -> ApplicationView:
    """The application as its owner sees it; ``private_key`` only ever right after it was made."""
    return ApplicationView(
        id=application.id,
        name=application.name,
        keys=Keys(application.public_key, private_key),
        capabilities=application.capabilities,
        privacy=Privacy(application.privacy.get("improve_ai", False)),
        settings=application.settings,
        links=SelfLink(Link(f"{PATH}/{application.id}")),
    )
