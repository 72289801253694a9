"""Whether a request is this server's and as it was sent: what a receiver checks, said check by check.

The rules are those of ``legato.webhooks.signing``, read from the other side.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from legato.webhooks.signing import SECRET_PREFIX, standard_headers

# Standard Webhooks: a timestamp further off than this may be a replay by somebody who listened.
TOLERANCE_SECONDS: Final = 300.0
JWT: Final = "JWT"
STANDARD: Final = "Standard Webhooks"


class UnverifiedError(Exception):
    """A request that does not prove where it comes from; its text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: of what, how it went, and what was seen."""

    about: str
    passed: bool
    told: str


def read_secret(text: str) -> bytes:
    """The secret that receivers are shown as ``whsec_…``. Raises ValueError."""
    shown = text.strip()
    if not shown.startswith(SECRET_PREFIX):
        raise ValueError(f"begins with {SECRET_PREFIX}")
    try:
        return base64.b64decode(shown.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"is base64 after {SECRET_PREFIX}") from error


def check_standard(headers: Mapping[str, str], body: bytes, secret: bytes, now: float) -> list[Check]:
    """Standard Webhooks, scheme v1. ``headers`` by their names in lower case; nothing is said of a request's age but
    how old it is: a captured one is as old as it is.
    """
    known_by, timestamp = headers.get("webhook-id"), headers.get("webhook-timestamp", "")
    if not known_by:
        return [Check("webhook-id", False, "the header is missing")]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        return [Check("webhook-timestamp", False, "the header is missing" if not timestamp else "it is no number")]
    age = Check("webhook-timestamp", True, f"{now - int(timestamp):.0f} s ago")
    made = standard_headers(known_by, body, float(timestamp), [secret])["webhook-signature"]
    given = headers.get("webhook-signature", "").split()
    # Every one is compared: how long it takes says nothing about which of them is right.
    is_right = sum(hmac.compare_digest(made.encode(), each.encode()) for each in given) > 0
    told = "of this secret" if is_right else "none is of this secret over this id, time and body"
    return [age, Check("webhook-signature", is_right, told if given else "the header is missing")]


def check_bearer(headers: Mapping[str, str], body: bytes, signature_secret: str) -> list[Check]:
    """The platform's signed webhooks: a JWT of the account's signature secret, and in it a hash of the body."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return [Check("authorization", False, "there is no Bearer token")]
    try:
        claims: dict[str, Any] = jwt.decode(token.strip(), signature_secret, algorithms=["HS256"])
    except jwt.InvalidSignatureError:
        return [Check("authorization", False, "the token is not signed with this signature secret")]
    except jwt.InvalidTokenError as error:
        return [Check("authorization", False, f"the token is not to be believed: {error}")]
    signed = Check("authorization", True, f"of application {claims.get('application_id')}")
    if "payload_hash" not in claims and not body:
        return [signed]  # a GET has none
    right = hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), str(claims.get("payload_hash")).encode())
    return [signed, Check("payload_hash", right, "of this body" if right else "not of this body")]


def verify(
    headers: Mapping[str, str], body: bytes, *, signature_secrets: Sequence[str], secrets: Sequence[bytes], now: float
) -> tuple[str, ...]:
    """The names of the signatures that a POST carries, each of them right. Raises UnverifiedError.

    What a receiver does. ``headers`` by their names in lower case; ``signature_secrets`` are the account's, ``secrets``
    the endpoint's, and one of each is enough. The JWT may be missing (``signed_callbacks`` is off), the Standard
    Webhooks headers may not, and they may not be old.
    """
    if not secrets or not signature_secrets:
        raise UnverifiedError("webhook-signature: there is no secret to check it with")
    _require_one([check_standard(headers, body, secret, now) for secret in secrets])
    if abs(now - int(headers["webhook-timestamp"])) > TOLERANCE_SECONDS:
        raise UnverifiedError("webhook-timestamp: it is too far from now")
    if "authorization" not in headers:
        return (STANDARD,)
    _require_one([check_bearer(headers, body, secret) for secret in signature_secrets])
    return (JWT, STANDARD)


def _require_one(tried: Sequence[Sequence[Check]]) -> None:
    """Raises UnverifiedError when in none of ``tried`` every check has passed: for the one that came furthest."""
    furthest = max(tried, key=lambda checks: sum(each.passed for each in checks))
    for each in furthest:
        if not each.passed:
            raise UnverifiedError(f"{each.about}: {each.told}")
