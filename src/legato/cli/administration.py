"""What commands do to an installation, through its running server or, when none runs, in its database.

Only one process opens the database: while a server has it, everything goes through that server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from legato.cli.client import Client
from legato.config import Settings


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """An application as a list shows it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class UserFacts:
    """A user as a list shows it."""

    id: str
    name: str
    display_name: str | None


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A secret: times as text, the secret itself where it may be shown."""

    id: str
    created_at: str
    expires_at: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """The account."""

    api_key: str
    signature_secret: str
    secrets: tuple[SecretFacts, ...]
    old_signature_secret: str | None = None
    old_signature_secret_until: str | None = None


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """What webhooks are signed with: the old one as well until then, as text."""

    signature_secret: str
    old_signature_secret_until: str | None = None


class Administration(Protocol):
    """An installation that can be administered. Every method may raise Refusal or CommandError."""

    def applications(self) -> list[ApplicationFacts]:
        """All of them, oldest first."""
        ...

    def create_application(self, name: str, public_key: str, capabilities: dict[str, Any]) -> str:
        """A new application's id."""
        ...

    def rotate_key(self, application_id: str, public_key: str) -> None:
        """The application's tokens are checked with this key from now on; its client sessions end."""
        ...

    def delete_application(self, application_id: str) -> None:
        """The application and all that it owns is gone."""
        ...

    def account(self) -> AccountFacts:
        """The account and its valid secrets, newest first."""
        ...

    def rotate_secret(self, overlap: float) -> SecretFacts:
        """A new secret; the others are valid for ``overlap`` seconds more."""
        ...

    def rotate_signature_secret(self, overlap: float) -> SignatureFacts:
        """A new signature secret; receivers may have the old one for ``overlap`` seconds more."""
        ...

    def create_user(self, application_id: str, name: str, display_name: str | None) -> str:
        """A new user's id."""
        ...

    def users(self, application_id: str) -> list[UserFacts]:
        """The application's users, oldest first."""
        ...


def running_server(settings: Settings, server: str | None) -> Client | None:
    """The server to ask: the one at ``server``, else the one that runs on this installation, if any."""
    if server is not None:
        return Client.named(server, settings)
    announcement = settings.installation.server()
    return None if announcement is None else Client.announced(announcement)


@contextlib.contextmanager
def administration(
    settings: Settings, server: str | None = None, *, private_key: str | None = None
) -> Iterator[Administration]:
    """The way to administer this installation. ``private_key`` speaks for an application where none is kept here."""
    client = running_server(settings, server)
    if client is not None:
        from legato.cli.over_http import OverHttp

        yield OverHttp(client, settings.installation, private_key)
        return
    from legato.cli.on_store import OnStore

    with OnStore.opened(settings) as store:
        yield store
