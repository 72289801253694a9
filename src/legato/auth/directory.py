"""What authentication asks of the rest of the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from legato.events.envelope import Person


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An application's public key.

    ``version`` grows whenever the key changes; ``users_version`` whenever a user of the application is changed or
    deleted (a single node may leave it at 0 and call ``Authenticator.forget_user``). A token that was accepted under
    other versions is looked at again.
    """

    public_key: str  # PEM
    version: int
    users_version: int = 0


class Directory(Protocol):
    """Applications and users, as they are committed at the moment of the call."""

    async def application_key(self, application_id: str) -> KeyRecord | None:
        """The application's key, None when there is no such application."""
        ...

    async def user_by_name(self, application_id: str, name: str) -> Person | None:
        """The application's user of that name, None when it has none."""
        ...
