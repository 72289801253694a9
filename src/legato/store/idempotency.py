"""Answers kept under the keys that callers gave their requests, so that a repeat is answered like the first."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, delete, insert, select

from legato.store.paging import grouped
from legato.store.schema import idempotency


class KeptAnswer(NamedTuple):
    """What a request was answered, as JSON, and what it asked: ``fingerprint`` is of method, path and body."""

    fingerprint: str
    answer: bytes


class NewAnswer(msgspec.Struct, frozen=True):
    """A row to keep. ``created_at`` in seconds since 1970."""

    application_id: str
    key: str
    fingerprint: str
    answer: bytes
    created_at: float


def read_answers(connection: Connection, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], KeptAnswer]:
    """The answers kept under some (application id, key)."""
    found = {}
    for application_id, of_application in grouped(keys).items():
        query = select(idempotency).where(
            idempotency.c.application_id == application_id, idempotency.c.key.in_(of_application)
        )
        for row in connection.execute(query):
            found[application_id, row.key] = KeptAnswer(row.fingerprint, row.answer)
    return found


def keep_answers(connection: Connection, answers: Collection[NewAnswer]) -> None:
    """Keeps at least one answer; its key is free (``read_answers`` in the same transaction)."""
    connection.execute(insert(idempotency), [msgspec.structs.asdict(answer) for answer in answers])


def forget_answers(connection: Connection, before: float) -> None:
    """Removes keys first used before ``before``."""
    connection.execute(delete(idempotency).where(idempotency.c.created_at < before))
