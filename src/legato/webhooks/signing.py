"""Signatures: the platform's JWT with a hash of the payload, and Standard Webhooks' headers beside it.

A receiver checks either. The JWT says which application sent it and is what the platform's own SDKs verify; the
Standard Webhooks headers have libraries in every language and one secret for each endpoint.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

import jwt

from legato.events.ids import IdSource
from legato.store.signature import SignatureSecrets

# Standard Webhooks: secrets are shown with this before their base64.
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - not a secret
# Claim of the platform's signed callbacks, which receivers written for it may compare.
ISSUER: Final = "Vonage"


class Signer:
    """Signs for one account. ``api_key`` and ``secrets`` are the account's; secrets change when one is rotated."""

    def __init__(self, api_key: str, secrets: SignatureSecrets, ids: IdSource) -> None:
        self._api_key = api_key
        self._ids = ids
        self.secrets = secrets

    def bearer(self, application_id: str, payload: bytes, now: float, key: str, *, hashed: bool = True) -> str:
        """``Authorization`` for a request: HS256 with ``key``, one of the account's signature secrets.

        ``payload_hash`` is the lower-case hexadecimal SHA-256 of the body as it is sent; a GET has none.
        Source: signed webhooks of the platform.
        """
        claims: dict[str, object] = {
            "iat": int(now),
            "jti": self._ids.uuid(),
            "iss": ISSUER,
            "api_key": self._api_key,
            "application_id": application_id,
        }
        if hashed:
            claims["payload_hash"] = hashlib.sha256(payload).hexdigest()
        return f"Bearer {jwt.encode(claims, key, algorithm='HS256')}"

    def listening_secret(self, application_id: str) -> bytes:
        """The Standard Webhooks secret of the application's listeners: it is kept nowhere, and no endpoint has it."""
        return hmac.digest(self.secrets.current.encode(), f"listening:{application_id}".encode(), "sha256")


def standard_headers(known_by: str, payload: bytes, now: float, secrets: Sequence[bytes]) -> dict[str, str]:
    """``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``, one signature for each secret.

    Source: Standard Webhooks, signature scheme v1.
    """
    timestamp = str(int(now))
    signed = b".".join((known_by.encode(), timestamp.encode(), payload))
    signatures = [base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets]
    return {
        "webhook-id": known_by,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def shown_secret(secret: bytes) -> str:
    """A secret as receivers are given it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()
