"""Secrets that this installation signs with: made at first use, then the same for ever and on every node."""

from __future__ import annotations

import secrets as random
from typing import Final

from sqlalchemy import Connection, insert, select

from legato.store.schema import secrets

SECRET_BYTES: Final = 32  # as long as the digest it is used with (RFC 2104 3)
MEDIA_LINKS: Final = "media-links"


def signing_secret(connection: Connection, name: str, now: float) -> bytes:
    """The secret kept under ``name``; the first call makes it. Call it in a write transaction.

    Two nodes that start for the first time at once can both try: one of them gets an IntegrityError and starts again.
    """
    kept = connection.execute(select(secrets.c.value).where(secrets.c.name == name)).scalar_one_or_none()
    if kept is None:
        kept = random.token_bytes(SECRET_BYTES)
        connection.execute(insert(secrets).values(name=name, value=kept, created_at=now))
    return bytes(kept)
