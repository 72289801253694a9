"""``Idempotency-Key``: a caller's promise that a request it sends again is the one it sent before."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from legato.api.contract import Request
from legato.events.refusal import InvalidInput
from legato.log import IdempotencyKey

MAX_KEY: Final = 255  # characters, as common clients of the header make them: a UUID is 36


def key_of(request: Request[Any, Any], content: bytes | None = None) -> IdempotencyKey | None:
    """The request's key with what it was used for, None when it has none. Raises InvalidInput.

    ``content`` stands for the body where that was streamed.
    """
    key = _written(request)
    if key is None:
        return None
    principal = request.principal
    # Two users may choose the same key: it is each one's own.
    owner = principal.user.id if principal.user else "application"
    return IdempotencyKey(principal.application_id, f"{owner} {key}", _fingerprint(request, content))


def key_of_account(request: Request[Any, Any]) -> IdempotencyKey | None:
    """The same for a request that the account's owner makes, whose keys are no application's."""
    key = _written(request)
    return None if key is None else IdempotencyKey("account", key, _fingerprint(request))


def _written(request: Request[Any, Any]) -> str | None:
    header = request.headers.get(b"idempotency-key")
    if header is None:
        return None
    key = header.decode("latin-1").strip()
    if not key or len(key) > MAX_KEY or not key.isprintable():
        raise InvalidInput.of("Idempotency-Key", f"must be 1 to {MAX_KEY} printable characters")
    return key


def _fingerprint(request: Request[Any, Any], content: bytes | None = None) -> str:
    body = request.raw if content is None else content
    return sha256(b"\n".join((request.method.encode(), request.path.rstrip("/").encode(), body))).hexdigest()
