"""What handlers work with, given once to every room of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from legato.api.settings import ApiSettings
from legato.auth import Authenticator, Principal
from legato.events.ids import IdSource
from legato.events.moment import Clock

if TYPE_CHECKING:
    from legato.log import Log


class Sessions(Protocol):
    """The live client sessions, as far as REST reaches them."""

    async def refresh(self, session_id: str, principal: Principal, token: str) -> None:
        """Binds a newer token to the session. Raises NotFound (``session:error:not-found``) if it is not the user's."""
        ...

    async def end(self, session_id: str, application_id: str, user_id: str | None) -> None:
        """Logs the session out; an administrator's ``user_id`` is None. Raises NotFound as ``refresh`` does."""
        ...

    async def terminate_user(self, user_id: str) -> None:
        """Ends every session of a user who is no more."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The rest of the server, seen from a handler."""

    log: Log
    auth: Authenticator
    sessions: Sessions
    settings: ApiSettings
    clock: Clock
    ids: IdSource
