"""The account: its secrets, and how one takes another's place while the server runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from legato.api.contract import Answer, Auth, Generation, Reply, Request, route
from legato.api.idempotency import key_of_account
from legato.api.services import Services
from legato.events.moment import iso
from legato.store.account import (
    DEFAULT_OVERLAP_SECONDS,
    MAX_SECRET,
    MIN_SECRET,
    Secret,
    read_account,
    revoke_secret,
    rotate_secret,
)
from legato.store.signature import (
    MAX_SIGNATURE_SECRET,
    MIN_SIGNATURE_SECRET,
    SignatureSecrets,
    rotate_signature_secret,
)

MAX_OVERLAP_SECONDS: Final = 90 * 24 * 3600  # a rotation that takes a quarter is not one
NOT_FOUND: Final = "account:error:secret-not-found"

_V2: Final[dict[str, Any]] = {"tag": "Account", "generations": (Generation.V2,), "auth": Auth.BASIC}


class SecretView(msgspec.Struct, omit_defaults=True):
    """A secret without what is secret, but for the answer to the request that made it. Times in ISO 8601."""

    id: str
    created_at: str
    expires_at: str | None = None
    secret: str | None = None


class SignatureView(msgspec.Struct, omit_defaults=True):
    """What webhooks are signed with. ``old_signature_secret`` is what receivers may have until then."""

    signature_secret: str
    old_signature_secret: str | None = None
    old_signature_secret_until: str | None = None


class AccountView(msgspec.Struct, omit_defaults=True):
    """The account; ``signature_secret`` is what webhooks are signed with, the old one as well until then."""

    api_key: str
    signature_secret: str
    created_at: str
    secrets: list[SecretView]
    old_signature_secret: str | None = None
    old_signature_secret_until: str | None = None


class Rotation(msgspec.Struct):
    """A new secret, made here unless given; those there are stay valid for ``overlap`` seconds."""

    # Visible ASCII: it has to pass through a Basic header as every client writes it (RFC 7617 2.1).
    secret: Annotated[str, Meta(min_length=MIN_SECRET, max_length=MAX_SECRET, pattern="^[!-~]*$")] | None = None
    overlap: Annotated[float, Meta(ge=0, le=MAX_OVERLAP_SECONDS)] = DEFAULT_OVERLAP_SECONDS


class SignatureRotation(msgspec.Struct):
    """A new signature secret, made here unless given; receivers may have the one there is for ``overlap`` seconds."""

    secret: (
        Annotated[str, Meta(min_length=MIN_SIGNATURE_SECRET, max_length=MAX_SIGNATURE_SECRET, pattern="^[!-~]*$")]
        | None
    ) = None
    overlap: Annotated[float, Meta(ge=0, le=MAX_OVERLAP_SECONDS)] = DEFAULT_OVERLAP_SECONDS


class AccountRoom:
    """``/v2/account``. A change counts from the next request on; ``signing`` is told of a new signature secret."""

    def __init__(self, services: Services, signing: Callable[[SignatureSecrets], None]) -> None:
        self._signing = signing
        self._log = services.log
        self._clock = services.clock
        self._ids = services.ids

    @route("GET", "/account", "Shows the account.", replies=(Answer(200, AccountView),), **_V2)
    async def show(self, request: Request[None, None]) -> Reply[AccountView]:
        """Its key, what webhooks are signed with, and which secrets are valid until when."""
        now = self._clock.now()
        account = await self._log.read(lambda connection: read_account(connection, now))
        secrets = [_view(each) for each in account.secrets]
        signature = _signature(account.signature, now)
        return Reply(
            200,
            AccountView(
                account.api_key,
                signature.signature_secret,
                iso(account.created_at),
                secrets,
                signature.old_signature_secret,
                signature.old_signature_secret_until,
            ),
        )

    @route(
        "POST",
        "/account/secrets",
        "Rotates the account's secret.",
        body=Rotation,
        creates=True,
        replies=(Answer(201, SecretView),),
        codes=("account:error:too-many-secrets",),
        **_V2,
    )
    async def rotate(self, request: Request[Rotation, None]) -> Reply[SecretView]:
        """The secret itself is answered when it was made here."""
        body, now = request.body, self._clock.now()
        made = await self._log.transact(
            lambda connection: rotate_secret(connection, self._ids, now, secret=body.secret, overlap=body.overlap),
            key=key_of_account(request),
            answer_type=Secret,
        )
        view = _view(made)
        if body.secret is None:
            view.secret = made.secret
        return Reply(201, view)

    @route(
        "DELETE",
        "/account/secrets/{secret_id}",
        "Revokes a secret.",
        replies=(Answer(204),),
        codes=(NOT_FOUND, "account:error:last-secret"),
        **_V2,
    )
    async def revoke(self, request: Request[None, None]) -> Reply[None]:
        """At once, and never the last one that does not end."""
        now = self._clock.now()
        await self._log.transact(lambda connection: revoke_secret(connection, request.params["secret_id"], now))
        return Reply(204)

    @route(
        "POST",
        "/account/signature-secret",
        "Rotates what webhooks are signed with.",
        body=SignatureRotation,
        creates=True,
        replies=(Answer(201, SignatureView),),
        codes=("account:error:rotation-under-way",),
        **_V2,
    )
    async def rotate_signature(self, request: Request[SignatureRotation, None]) -> Reply[SignatureView]:
        """Until the overlap is over, each receiver is asked with the secret that it took last: the old one at first,
        and when it answers 401 or 403 to that, at once with the new one.
        """
        body, now = request.body, self._clock.now()
        made = await self._log.transact(
            lambda connection: rotate_signature_secret(connection, now, secret=body.secret, overlap=body.overlap),
            key=key_of_account(request),
            answer_type=SignatureSecrets,
        )
        self._signing(made)
        return Reply(201, _signature(made, now))


def _signature(secrets: SignatureSecrets, now: float) -> SignatureView:
    if len(secrets.at(now)) == 1:
        return SignatureView(secrets.current)
    return SignatureView(secrets.current, secrets.old, iso(secrets.old_until or now))


def _view(secret: Secret) -> SecretView:
    return SecretView(secret.id, iso(secret.created_at), None if secret.expires_at is None else iso(secret.expires_at))
