"""Client sessions over REST: a new token for one, more time for one, and its end."""

from __future__ import annotations

from typing import Any

from legato.api.contract import Answer, Reply, Request, route
from legato.api.render.shapes import Empty
from legato.api.services import Services
from legato.auth import Principal
from legato.events.refusal import Forbidden, NotFound
from legato.store.sessions import extend_session, find_session

TAG = "sessions"
CODES = ("session:error:not-found",)


class ClientSessions:
    """Handlers of ``/sessions/{session_id}``."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @route(
        "PUT",
        "/sessions/{session_id}",
        "Give a session a new token",
        tag=TAG,
        answer="session_refreshed",
        codes=CODES,
    )
    async def refresh_session(self, request: Request[None, None]) -> Reply[Any]:
        """The new token is the one this request bears; whatever body it has is not read."""
        session_id = request.params["session_id"]
        await self._require_own(session_id, request.principal)
        if request.principal.user is None:
            raise Forbidden("Only a token of the session's own user can go on with it.")
        await self._services.sessions.refresh(session_id, request.principal)
        return request.render.session_refreshed(session_id)

    @route(
        "POST",
        "/sessions/{session_id}/touch",
        "Keep a session from expiring",
        tag=TAG,
        replies=(Answer(200, Empty, "The session can be resumed for as long again."),),
        codes=CODES,
    )
    async def touch_session(self, request: Request[None, None]) -> Reply[Empty]:
        """A session whose client is away waits for it as long again; one that is connected expires with its token."""
        session_id = request.params["session_id"]
        await self._require_own(session_id, request.principal)
        until = self._services.clock.now() + self._services.settings.session_ttl
        await self._services.log.transact(lambda connection: extend_session(connection, session_id, until))
        return Reply(200, Empty())

    @route(
        "DELETE",
        "/sessions/{session_id}",
        "End a session",
        tag=TAG,
        answer="session_ended",
        codes=CODES,
    )
    async def end_session(self, request: Request[None, None]) -> Reply[Any]:
        """The client is told ``session:terminated`` and disconnected; the session cannot be resumed."""
        session_id = request.params["session_id"]
        await self._require_own(session_id, request.principal)
        if not await self._services.sessions.terminate(session_id, "ended over REST"):
            raise no_such_session()
        return request.render.session_ended()

    async def _require_own(self, session_id: str, principal: Principal) -> None:
        stored = await self._services.log.read(lambda connection: find_session(connection, session_id))
        if stored is None or stored.application_id != principal.application_id:
            raise no_such_session()
        if principal.user is not None and stored.user_id != principal.user.id:
            raise no_such_session()


def no_such_session() -> NotFound:
    """No such session, or somebody else's."""
    return NotFound("session:error:not-found", "The session does not exist, or you do not have access to it.")
