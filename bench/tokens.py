"""Tokens as an application's backend makes them: RS256 over an RSA key of 2,048 bits."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# As the platform's documentation grants a client SDK's user.
USER_PATHS: Final = (
    "/*/users/**",
    "/*/conversations/**",
    "/*/sessions/**",
    "/*/devices/**",
    "/*/image/**",
    "/*/media/**",
    "/*/applications/**",
    "/*/push/**",
    "/*/knocking/**",
    "/*/legs/**",
)
LIFE_S: Final = 6 * 3600


class Signer:
    """Signs for one application."""

    def __init__(self, private_key: rsa.RSAPrivateKey, application_id: str):
        self._key = private_key
        self._application_id = application_id

    def user(self, name: str, **more: Any) -> str:
        """A user's token, with the access list of the documentation."""
        return self._sign(sub=name, acl={"paths": {path: {} for path in USER_PATHS}}, **more)

    def admin(self) -> str:
        """The application's own token."""
        return self._sign()

    def _sign(self, **claims: Any) -> str:
        now = int(time.time())
        base = {"application_id": self._application_id, "iat": now, "exp": now + LIFE_S, "jti": str(uuid.uuid4())}
        return jwt.encode(base | claims, self._key, algorithm="RS256")


def new_key() -> rsa.RSAPrivateKey:
    """A fresh RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def write_public(key: rsa.RSAPrivateKey, path: Path) -> None:
    """Writes the public half as PEM."""
    path.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
