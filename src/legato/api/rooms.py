"""The rooms of handlers that need nothing but the services."""

from __future__ import annotations

from typing import Final

from legato.api.conversations import Conversations
from legato.api.discovery import Discovery
from legato.api.events import Events
from legato.api.members import Members
from legato.api.services import Services
from legato.api.sessions import ClientSessions
from legato.api.unavailable import NotPerformed
from legato.api.users import Users

# For what only looks at declarations (OpenAPI).
ROOMS: Final[tuple[type, ...]] = (Users, Conversations, Members, Events, ClientSessions, Discovery, NotPerformed)


def rooms(services: Services) -> list[object]:
    """One of each."""
    return [
        Users(services),
        Conversations(services),
        Members(services),
        Events(services),
        ClientSessions(services),
        Discovery(services.settings),
        NotPerformed(),
    ]
