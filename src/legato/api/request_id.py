"""The id of the request that is handled: in what is logged meanwhile, in a refusal's ``instance``, in ``X-Request-Id``.

::

    X-Request-Id: 7c9e…    a caller's or a proxy's own, when it is a sane token
    no such field          32 hex digits, made when somebody asks

Something is logged, or a request refused, far more seldom than one is answered. So nothing is read or made before
somebody asks, and an answer that is no refusal carries no id.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, MutableMapping
from contextvars import ContextVar
from typing import Any, Final

HEADER: Final = b"x-request-id"
# Visible ASCII, room for a UUID or a trace id: it stands in answers and log lines as it came.
_SANE: Final = re.compile(rb"[!-~]{1,64}")


# Under which the id stands in a request's ASGI scope, once it is known. (ASGI leaves names like this to applications.)
_KEY: Final = "legato.request_id"
_scope: ContextVar[MutableMapping[str, Any] | None] = ContextVar("legato_scope", default=None)


def begin(scope: MutableMapping[str, Any]) -> None:
    """From here on this task, and those it starts, handle the request of that ASGI scope."""
    _scope.set(scope)


def current() -> str | None:
    """The id of the request that is handled here, the same however often it is asked for; None outside of one."""
    scope = _scope.get()
    if scope is None:
        return None
    known: str | None = scope.get(_KEY)
    if known is None:
        known = scope[_KEY] = _given(scope["headers"]) or new()
    return known


def new() -> str:
    """An id for what came without one."""
    return secrets.token_hex(16)


def _given(fields: Iterable[tuple[bytes, bytes]]) -> str | None:
    given = next((value for name, value in fields if name == HEADER), b"")
    return given.decode("ascii") if _SANE.fullmatch(given) else None
