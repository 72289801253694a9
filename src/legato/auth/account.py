"""The account's own credentials: HTTP Basic ``api_key:api_secret``, or the same two in the query."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Protocol

from legato.events.refusal import Unauthenticated


class Credentials(Protocol):
    """An account as far as its callers prove to be it."""

    @property
    def api_key(self) -> str:
        """The public half."""
        ...

    def secrets_at(self, now: float) -> Iterable[str]:
        """Every secret that is valid at ``now`` (seconds since 1970): several while one is being rotated."""
        ...


@dataclass(frozen=True, slots=True)
class WithLocalSecret:
    """An account that also takes ``local_secret``: what a running server tells the commands of its own machine."""

    account: Credentials
    local_secret: str

    @property
    def api_key(self) -> str:
        """The account's."""
        return self.account.api_key

    def secrets_at(self, now: float) -> tuple[str, ...]:
        """The account's, and the local one."""
        return (*self.account.secrets_at(now), self.local_secret)

    def __repr__(self) -> str:
        return f"WithLocalSecret({self.account!r})"


def bearer(authorization: str | None) -> str | None:
    """The token of an ``Authorization: Bearer`` header (RFC 6750 2.1; the scheme in any case), None without one."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None


def authenticate_account(
    account: Credentials,
    now: float,
    authorization: str | None,
    api_key: str | None = None,
    api_secret: str | None = None,
) -> None:
    """Returns when the caller presented the account's key and one of its valid secrets.

    ``api_key`` and ``api_secret`` are the query's, looked at only when there is no header (old command-line tools).
    Raises Unauthenticated otherwise, in a time that tells nothing about what was wrong.
    """
    if authorization is not None:
        api_key, api_secret = _basic(authorization)
    if api_key is None or api_secret is None:
        raise Unauthenticated("You did not provide correct credentials.")
    matches = False
    for secret in account.secrets_at(now):
        matches |= compare_digest(api_secret.encode(), secret.encode())
    matches &= compare_digest(api_key.encode(), account.api_key.encode())
    if not matches:
        raise Unauthenticated("You did not provide correct credentials.")


def _basic(authorization: str) -> tuple[str | None, str | None]:
    """User and password of RFC 7617."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None, None
    return (user, password) if colon else (None, None)
