"""Routes that the platform has and nothing in this server can perform: each says so, in its generation's error shape.

They ask for a token first, like those that work; only the emergency API does not, whose tokens are its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from legato.api.contract import CONVERSATIONAL, Auth, Generation, Reply, Request, Route
from legato.events.refusal import Unavailable

_CALLS: Final = "calls"
_OLDER: Final = CONVERSATIONAL

# (path, methods, generations)
_ROUTES: Final[tuple[tuple[str, tuple[str, ...], tuple[Generation, ...]], ...]] = (
    ("/knocking", ("POST",), _OLDER),
    ("/knocking/{knocking_id}", ("DELETE",), _OLDER),
    ("/legs", ("GET", "POST"), _OLDER),
    ("/legs/{leg_id}", ("GET", "PUT", "DELETE"), _OLDER),
    *(
        (f"/legs/{{leg_id}}/{verb}", ("POST", "PUT", "DELETE"), _OLDER)
        for verb in ("recording", "stream", "talk", "asr")
    ),
    ("/legs/{leg_id}/asr/{asr_id}", ("PATCH",), _OLDER),
    ("/legs/{leg_id}/dtmf", ("POST", "PUT"), _OLDER),
    ("/conversations/{conversation_id}/legs", ("GET",), _OLDER),
    ("/conversations/{conversation_id}/rtc", ("POST",), _OLDER),
    ("/conversations/{conversation_id}/rtc/{rtc_id}", ("DELETE",), _OLDER),
    *(
        (f"/conversations/{{conversation_id}}/rtc/{{rtc_id}}/{step}", ("POST",), _OLDER)
        for step in ("offer", "answer", "ice")
    ),
    ("/conversations/{conversation_id}/video_token", ("POST",), _OLDER),
    ("/conversations/{conversation_id}/record", ("PUT",), (Generation.V1,)),
    *(
        (f"/conversations/{{conversation_id}}/{verb}", ("PUT", "DELETE"), (Generation.V1,))
        for verb in ("talk", "stream")
    ),
    ("/calls", ("GET", "POST"), (Generation.V1, Generation.V2)),
    ("/calls/{call_id}", ("GET", "PUT"), (Generation.V1,)),
    *((f"/calls/{{call_id}}/{verb}", ("PUT", "DELETE"), (Generation.V1,)) for verb in ("stream", "talk")),
    ("/calls/{call_id}/dtmf", ("PUT",), (Generation.V1,)),
    ("/calls/{call_id}/input/dtmf", ("PUT", "DELETE"), (Generation.V1,)),
)
# Between the platform's own gateways and its API: they make sessions for the clients that connect to them.
_GATEWAY: Final[tuple[tuple[str, str], ...]] = (("POST", "/sessions"), ("DELETE", "/capis/{capi_id}"))
_EMERGENCY: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("/emergency/call", ("POST",)),
    ("/emergency/call/{call_id}", ("GET", "PUT", "DELETE")),
    ("/emergency/call/{call_id}/offer", ("PUT",)),
)


def _declared() -> Iterator[Route]:
    for path, methods, generations in _ROUTES:
        for method in methods:
            yield Route(
                method, path, "Not available: this server has no calls", _CALLS, generations, name=_name(method, path)
            )
    for method, path in _GATEWAY:
        summary = "Not available: clients make their sessions at the socket"
        yield Route(method, path, summary, "sessions", _OLDER, name=_name(method, path))
    for path, methods in _EMERGENCY:
        for method in methods:
            yield Route(
                method,
                path,
                "Not available: no emergency calls",
                "emergency",
                (Generation.V1,),
                auth=Auth.NONE,
                name=_name(method, path),
            )


def _name(method: str, path: str) -> str:
    words = [word for word in path.split("/") if word and not word.startswith("{")]
    return "_".join((method.lower(), *words))


class NotPerformed:
    """Answers 501 to everything above."""

    async def refuse(self, request: Request[Any, Any]) -> Reply[Any]:
        """Nothing here can perform it; ``system:error:not-available``."""
        subject = request.path.split("/")[2]
        if subject in ("sessions", "capis"):
            raise Unavailable("Clients make their sessions by connecting to this server's socket, and in no other way.")
        what = "emergency calls" if subject == "emergency" else "calls"
        raise Unavailable(f"This server cannot make {what}.")


vars(NotPerformed.refuse)["routes"] = list(_declared())  # what `@route` would have left there, forty times
