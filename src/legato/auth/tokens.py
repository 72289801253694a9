"""JSON Web Tokens of applications: signed by their private key, checked with their public one (RS256, RFC 7519)."""

from __future__ import annotations

import binascii
import math
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from legato.auth.keys import load_private
from legato.events.ids import RandomIds, is_uuid
from legato.events.moment import SystemClock
from legato.events.refusal import Unauthenticated

EXPIRED_TOKEN: Final = "system:error:expired-token"  # noqa: S105 - an error code

# JWT guide of the API: 15 minutes unless the token says otherwise, never more than 24 hours.
DEFAULT_LIFE_SECONDS: Final = 15 * 60
MAX_LIFE_SECONDS: Final = 24 * 3600
# An issuer's clock may be this far ahead of ours; none is granted at the other end.
CLOCK_SKEW_SECONDS: Final = 30
# A token has to fit a request header; servers commonly stop at 16 kB for all of them.
MAX_TOKEN_CHARACTERS: Final = 12_288

_jws = jwt.PyJWS(algorithms=["RS256"])


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. Times are seconds since 1970; ``user_name`` is None in an application's token."""

    application_id: str
    token_id: str
    issued_at: float
    expires_at: float
    user_name: str | None
    acl: Any


class _Payload(msgspec.Struct):
    # Times arrive as numbers or, as the API's own example has it, as strings.
    application_id: str
    jti: str
    iat: int | float | str
    exp: int | float | str | None = None
    nbf: int | float | str | None = None
    sub: str | None = None
    acl: Any = None


class _Issuer(msgspec.Struct):
    application_id: str


_decode_payload = msgspec.json.Decoder(_Payload).decode
_decode_issuer = msgspec.json.Decoder(_Issuer).decode


def issuer(token: str) -> str:
    """The application that a token *claims* to be from: tells which key to check it with, and proves nothing.

    Raises Unauthenticated when there is none to read.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise Unauthenticated("The token is too long.")
    parts = token.split(".")
    if len(parts) != 3:  # RFC 7515 7.1: header.payload.signature
        raise Unauthenticated("The token is not a JSON Web Token.")
    payload = parts[1]
    try:
        application_id = _decode_issuer(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).application_id
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise Unauthenticated("The token has no readable application_id claim.") from error
    if not is_uuid(application_id):
        raise Unauthenticated("The token's application does not exist.")
    return application_id


def verify(token: str, key: RSAPublicKey, now: float) -> Claims:
    """The claims of a token that ``key`` signed and that is valid at ``now``.

    Only RS256 is accepted, whatever the token's header asks for. Raises Unauthenticated with
    ``system:error:invalid-token``, or ``system:error:expired-token`` when all is well but the time.
    """
    try:
        payload = _decode_payload(_jws.decode(token, key, algorithms=["RS256"]))
    except jwt.InvalidTokenError as error:
        raise Unauthenticated("The token's signature is not the application's (RS256).") from error
    except msgspec.DecodeError as error:
        raise Unauthenticated(f"The token's claims are malformed: {error}.") from error
    if not payload.jti:
        raise Unauthenticated("The token's jti claim is empty.")
    if payload.sub is not None and (not payload.sub or "\0" in payload.sub):
        # Reading an empty one as "no sub" would make an application's token of what was meant for a user; and no
        # database holds a name with a NUL.
        raise Unauthenticated("The token's sub claim is not the name of a user.")
    issued_at = _seconds("iat", payload.iat)
    if issued_at > now + CLOCK_SKEW_SECONDS:
        raise Unauthenticated("The token's iat claim is in the future.")
    if payload.nbf is not None and _seconds("nbf", payload.nbf) > now + CLOCK_SKEW_SECONDS:
        raise Unauthenticated("The token is not valid yet (nbf).")
    expires_at = issued_at + DEFAULT_LIFE_SECONDS if payload.exp is None else _seconds("exp", payload.exp)
    if expires_at > issued_at + MAX_LIFE_SECONDS:
        raise Unauthenticated("The token's exp claim is more than 24 hours after its iat.")
    if expires_at <= now:
        raise Unauthenticated("The token has expired.", code=EXPIRED_TOKEN)
    return Claims(payload.application_id, payload.jti, issued_at, expires_at, payload.sub, payload.acl)


def _seconds(name: str, value: float | str) -> float:
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise Unauthenticated(f"The token's {name} claim is not a time in seconds.")
    return seconds


@lru_cache(maxsize=64)  # a program mints with a handful of keys
def _loaded(pem: str) -> RSAPrivateKey:
    return load_private(pem)


def mint(
    private_key: str | RSAPrivateKey,
    application_id: str,
    *,
    sub: str | None = None,
    ttl: float | None = DEFAULT_LIFE_SECONDS,
    acl: Mapping[str, Any] | None = None,
    now: float | None = None,
    claims: Mapping[str, Any] | None = None,
) -> str:
    """A token for the application, or for its user named ``sub``, that lives ``ttl`` seconds (None: no ``exp``).

    ``acl`` is the whole claim, ``{"paths": {…}}``. ``claims`` are added last and may replace any other. ValueError
    when the private key is not one.
    """
    issued_at = math.floor(SystemClock().now() if now is None else now)
    payload: dict[str, Any] = {"application_id": application_id, "iat": issued_at, "jti": RandomIds().uuid()}
    if ttl is not None:
        payload["exp"] = math.floor(issued_at + ttl)
    if sub is not None:
        payload["sub"] = sub
    if acl is not None:
        payload["acl"] = dict(acl)
    payload.update(claims or {})
    key = _loaded(private_key) if isinstance(private_key, str) else private_key
    return jwt.api_jws.encode(msgspec.json.encode(payload), key, algorithm="RS256")


# What the Client SDK documentation gives a user: everything that a client calls.
CLIENT_ACL: Final[Mapping[str, Any]] = {
    "paths": {
        f"/*/{name}/**": {}
        for name in (
            "users",
            "conversations",
            "sessions",
            "devices",
            "image",
            "media",
            "applications",
            "push",
            "knocking",
            "legs",
            "rtc",
            "session",
        )
    }
}
