"""The account: one for each installation, made at its first start.

Callers of ``/v2`` present its key and secret; webhooks are signed with its signature secret. Several secrets are valid
while one takes another's place.
"""

from __future__ import annotations

import secrets as random
import string
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from legato.events.ids import IdSource
from legato.events.refusal import Conflict, InvalidInput, NotFound
from legato.store.schema import account, account_secrets
from legato.store.signature import SignatureSecrets, new_signature_secret

# One in use, one that replaces it, and room for a rotation that was begun twice.
MAX_SECRETS: Final = 4
MIN_SECRET: Final = 8  # characters, as the platform's secret management has it
MAX_SECRET: Final = 128  # characters; a Basic header with it stays small
DEFAULT_OVERLAP_SECONDS: Final = 24 * 3600.0  # time to bring a new secret to every caller

_ALPHABET: Final = string.ascii_letters + string.digits
_GENERATED_CHARACTERS: Final = 24  # 142 bits
_ONLY = 1  # the account's row


class Secret(msgspec.Struct, frozen=True):
    """An API secret. ``expires_at`` is None until a newer one takes its place. Times in seconds since 1970."""

    id: str
    secret: str
    created_at: float
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Secret(id={self.id!r})"


class Account(msgspec.Struct, frozen=True):
    """The account as stored; ``secrets`` newest first, those that ran out left out."""

    api_key: str
    signature: SignatureSecrets
    created_at: float
    secrets: tuple[Secret, ...]

    @property
    def signature_secret(self) -> str:
        """The newest one."""
        return self.signature.current

    def secrets_at(self, now: float) -> list[str]:
        """The secrets that are valid at ``now``, newest first."""
        return [each.secret for each in self.secrets if each.expires_at is None or now < each.expires_at]

    def __repr__(self) -> str:
        return f"Account(api_key={self.api_key!r})"


def ensure_account(
    connection: Connection,
    ids: IdSource,
    now: float,
    *,
    api_key: str | None = None,
    api_secret: str | None = None,
    signature_secret: str | None = None,
) -> Account:
    """The account; the first call makes it, from what is given and from chance. Call it in a write transaction.

    Two nodes that start for the first time at once can both try: one of them gets an IntegrityError and starts again.
    """
    if connection.execute(select(account.c.id)).first() is None:
        connection.execute(
            insert(account).values(
                id=_ONLY,
                api_key=api_key or random.token_hex(4),  # eight hexadecimal digits, as the platform's keys are
                signature_secret=signature_secret or new_signature_secret(),
                created_at=now,
            )
        )
        _insert(connection, Secret(ids.uuid(), api_secret or generate_secret(), now))
    return read_account(connection, now)


def read_account(connection: Connection, now: float) -> Account:
    """The account. Raises NotFound before its first start."""
    row = connection.execute(select(account)).first()
    if row is None:
        raise NotFound("account:error:not-found", "This installation has not been started yet.")
    valid = account_secrets.c.expires_at.is_(None) | (account_secrets.c.expires_at > now)
    # The newest first: secrets made in one second are told apart by which of them is being replaced.
    newest_first = (
        account_secrets.c.created_at.desc(),
        account_secrets.c.expires_at.is_not(None),
        account_secrets.c.id,
    )
    rows = connection.execute(select(account_secrets).where(valid).order_by(*newest_first))
    found = tuple(Secret(each.id, each.secret, each.created_at, each.expires_at) for each in rows)
    signature = SignatureSecrets(row.signature_secret, row.old_signature_secret, row.old_signature_secret_until)
    return Account(row.api_key, signature, row.created_at, found)


def rotate_secret(
    connection: Connection,
    ids: IdSource,
    now: float,
    *,
    secret: str | None = None,
    overlap: float = DEFAULT_OVERLAP_SECONDS,
) -> Secret:
    """A new secret; those there are stay valid for ``overlap`` seconds more, or until they would have ended anyway.

    Raises InvalidInput for a secret of 7 or 129 characters, Conflict when MAX_SECRETS are valid already, of which an
    overlap of 0 leaves none.
    """
    if secret is not None and not MIN_SECRET <= len(secret) <= MAX_SECRET:
        raise InvalidInput.of("secret", f"must have {MIN_SECRET} to {MAX_SECRET} characters")
    ends = now + overlap
    later = account_secrets.c.expires_at.is_(None) | (account_secrets.c.expires_at > ends)
    connection.execute(update(account_secrets).where(later).values(expires_at=ends))
    connection.execute(delete(account_secrets).where(account_secrets.c.expires_at <= now))
    if len(connection.execute(select(account_secrets.c.id)).all()) >= MAX_SECRETS:
        raise Conflict(
            "account:error:too-many-secrets", f"{MAX_SECRETS} secrets are valid; revoke one, or rotate without overlap."
        )
    made = Secret(ids.uuid(), secret or generate_secret(), now)
    _insert(connection, made)
    return made


def revoke_secret(connection: Connection, secret_id: str, now: float) -> None:
    """Ends a secret at once. Raises NotFound, and Conflict for the last one: nobody could make another."""
    held = read_account(connection, now).secrets
    if all(each.id != secret_id for each in held):
        raise NotFound("account:error:secret-not-found", "There is no such secret.")
    if all(each.id == secret_id or each.expires_at is not None for each in held):
        raise Conflict("account:error:last-secret", "This is the only secret that does not end; rotate it instead.")
    connection.execute(delete(account_secrets).where(account_secrets.c.id == secret_id))


def generate_secret() -> str:
    """A secret of letters and digits, with at least one of each kind, as the platform asks of its own."""
    while True:
        text = "".join(random.choice(_ALPHABET) for _ in range(_GENERATED_CHARACTERS))
        if any(map(str.islower, text)) and any(map(str.isupper, text)) and any(map(str.isdigit, text)):
            return text


def _insert(connection: Connection, secret: Secret) -> None:
    connection.execute(insert(account_secrets).values(msgspec.structs.asdict(secret)))
