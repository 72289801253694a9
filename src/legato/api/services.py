"""What handlers work with, given once to every room of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from legato.api.settings import ApiSettings
from legato.auth import Authenticator, Principal
from legato.dialects import PLAIN, Manner
from legato.events.ids import IdSource
from legato.events.moment import Clock
from legato.log import Log


class Sessions(Protocol):
    """The client sessions that somebody is connected to, as far as REST reaches them (``legato.sessions``)."""

    async def refresh(self, session_id: str, principal: Principal) -> None:
        """The session's client has a new token."""
        ...

    async def terminate(self, session_id: str, reason: str) -> bool:
        """Ends a session for good. False when there is no such session."""
        ...

    async def terminate_user(self, user_id: str, reason: str) -> None:
        """Ends every session of a user."""
        ...


def _plain(application_id: str) -> Manner:
    return PLAIN


@dataclass(frozen=True, slots=True)
class Services:
    """The rest of the server, seen from a handler. ``manner`` is how an application wants its events rendered."""

    log: Log
    auth: Authenticator
    sessions: Sessions
    settings: ApiSettings
    clock: Clock
    ids: IdSource
    manner: Callable[[str], Manner] = _plain
