"""Who is calling: what a token that was accepted says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from legato.auth.acl import Acl
from legato.conversations.model import Caller
from legato.events.envelope import Person

_NO_FIELDS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Principal:
    """The bearer of a valid token.

    ``user`` is None for an application's ("admin") token. ``expires_at`` and ``issued_at`` are seconds since 1970.
    ``api_key`` is the account's, which clients are told in ``session:success``.
    """

    application_id: str
    user: Person | None
    api_key: str
    acl: Acl
    issued_at: float
    expires_at: float
    token_id: str

    def allows(self, method: str, path: str, fields: Mapping[str, Any] = _NO_FIELDS) -> bool:
        """Whether the token's list reaches the request; ``fields`` as for ``Acl.allows``."""
        return self.acl.allows(method, path, fields)

    @property
    def may_open_session(self) -> bool:
        """Whether a client may log in with it: a user's token whose list reaches sessions by one of their names."""
        return self.user is not None and any(
            self.acl.allows(method, path)
            for method, path in (("POST", "/v1/sessions"), ("POST", "/v1/session"), ("GET", "/v2/rtc"))
        )

    def caller(self, session_id: str | None = None) -> Caller:
        """The same, as conversations know who asks."""
        return Caller(self.application_id, self.user, session_id)
