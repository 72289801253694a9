"""The account's signature secret, which the token in a webhook's Authorization is signed with, and its rotation.

::

    rotated           ◀── overlap ──▶
       │ old: first choice           │
       │ new: for who refuses the old│ new alone

A token is signed with one secret, so a request cannot carry a signature of each as those of Standard Webhooks do. Who
sends asks each endpoint with the secret that it took last (``legato.webhooks.sender``).
"""

from __future__ import annotations

import secrets as random
import string
from typing import Final

import msgspec
from sqlalchemy import Connection, select, update

from legato.events.moment import iso
from legato.events.refusal import Conflict, InvalidInput, NotFound
from legato.store.schema import account

SIGNATURE_SECRET_CHARACTERS: Final = 64  # of one made here
MIN_SIGNATURE_SECRET: Final = 32  # HS256 wants a key of 32 bytes or more (RFC 7518 3.2)
MAX_SIGNATURE_SECRET: Final = 256

_ALPHABET: Final = string.ascii_letters + string.digits


class SignatureSecrets(msgspec.Struct, frozen=True):
    """``current`` signs; ``old``, if there is one, as well until ``old_until``, in seconds since 1970."""

    current: str
    old: str | None = None
    old_until: float | None = None

    def at(self, now: float) -> tuple[str, ...]:
        """Those that are good at ``now``, in the order in which a receiver is tried with them: it has the old one."""
        overlaps = self.old is not None and now < (self.old_until or 0)
        return (self.old, self.current) if overlaps and self.old is not None else (self.current,)

    def __repr__(self) -> str:
        return "SignatureSecrets()"


def read_signature_secrets(connection: Connection) -> SignatureSecrets | None:
    """The account's; None before the first start."""
    query = select(account.c.signature_secret, account.c.old_signature_secret, account.c.old_signature_secret_until)
    row = connection.execute(query).first()
    return None if row is None else SignatureSecrets(*row)


def rotate_signature_secret(
    connection: Connection, now: float, *, secret: str | None = None, overlap: float
) -> SignatureSecrets:
    """A new one; the one there is signs as well for ``overlap`` seconds. An overlap of 0 ends an earlier one, too.

    Raises InvalidInput for a secret of 31 or 257 characters, NotFound before the first start, and Conflict while an
    earlier rotation goes on: somebody may still have the secret that it replaces.
    """
    if secret is not None and not MIN_SIGNATURE_SECRET <= len(secret) <= MAX_SIGNATURE_SECRET:
        raise InvalidInput.of("secret", f"must have {MIN_SIGNATURE_SECRET} to {MAX_SIGNATURE_SECRET} characters")
    before = read_signature_secrets(connection)
    if before is None:
        raise NotFound("account:error:not-found", "This installation has not been started yet.")
    if overlap > 0 and len(before.at(now)) > 1:
        ends = iso(before.old_until or now)
        raise Conflict(
            "account:error:rotation-under-way", f"A rotation goes on until {ends}; one without overlap ends it."
        )
    after = SignatureSecrets(secret or new_signature_secret(), *((before.current, now + overlap) if overlap else ()))
    connection.execute(
        update(account).values(
            signature_secret=after.current,
            old_signature_secret=after.old,
            old_signature_secret_until=after.old_until,
        )
    )
    return after


def new_signature_secret() -> str:
    """Letters and digits, at random."""
    return "".join(random.choice(_ALPHABET) for _ in range(SIGNATURE_SECRET_CHARACTERS))
