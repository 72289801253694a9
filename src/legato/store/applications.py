"""Applications: who owns conversations and users, and the public keys that their tokens are checked with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Table, bindparam, delete, func, insert, select, update

from legato.events.envelope import JsonObject
from legato.store.endpoints import set_application_endpoint
from legato.store.heads import ApplicationChanged, announce
from legato.store.schema import (
    applications,
    conversations,
    counters,
    devices,
    endpoints,
    events,
    media,
    members,
    receipts,
    sessions,
    snapshots,
    stream_events,
    users,
)

# Rows removed in one transaction of `purge_orphans`: some milliseconds for which other writers wait.
PURGE_ROWS: Final = 500


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """An application. ``public_key`` is PEM; ``key_version`` grows with every other key. ``created_at`` in seconds.

    ``capabilities`` and ``privacy`` are the API's objects as their owner wrote them; ``settings`` are this server's.
    """

    id: str
    name: str
    public_key: str
    created_at: float
    key_version: int = 1
    capabilities: JsonObject = {}
    privacy: JsonObject = {}
    settings: JsonObject = {}


def insert_application(connection: Connection, application: Application) -> None:
    """Adds an application, with the endpoint of its webhooks. Names need not be unique."""
    connection.execute(insert(applications).values(msgspec.structs.asdict(application)))
    set_application_endpoint(connection, application.id, application.capabilities, application.created_at)
    announce(connection, ApplicationChanged(application.id))


def read_application(connection: Connection, application_id: str) -> Application | None:
    """The application of that id."""
    row = connection.execute(select(applications).where(applications.c.id == application_id)).first()
    return None if row is None else _application(row)


def list_applications(connection: Connection, *, offset: int, limit: int) -> tuple[list[Application], int]:
    """One page of the applications, oldest first, and how many there are."""
    ordered = select(applications).order_by(applications.c.created_at, applications.c.id)
    rows = connection.execute(ordered.offset(offset).limit(limit))
    count = connection.execute(select(func.count()).select_from(applications)).scalar_one()
    return [_application(row) for row in rows], count


def read_settings(connection: Connection) -> Iterator[tuple[str, JsonObject]]:
    """Every application's id and ``settings``."""
    for row in connection.execute(select(applications.c.id, applications.c.settings)):
        yield row.id, row.settings


def replace_application(
    connection: Connection,
    application_id: str,
    *,
    name: str,
    capabilities: JsonObject,
    privacy: JsonObject,
    now: float,
    settings: JsonObject | None = None,
    public_key: str | None = None,
) -> tuple[Application, Application] | None:
    """The application before and after; None when there is no such one. A public key of None stays as it is."""
    before = read_application(connection, application_id)
    if before is None:
        return None
    after = msgspec.structs.replace(
        before,
        name=name,
        capabilities=capabilities,
        privacy=privacy,
        settings=before.settings if settings is None else settings,
    )
    if public_key is not None and public_key != before.public_key:
        after = msgspec.structs.replace(after, public_key=public_key, key_version=before.key_version + 1)
    changed = msgspec.structs.asdict(after)
    connection.execute(update(applications).where(applications.c.id == application_id).values(changed))
    set_application_endpoint(connection, application_id, capabilities, now)
    void = None if after.key_version == before.key_version else "key rotated"
    announce(connection, ApplicationChanged(application_id, void))
    return before, after


def delete_application(connection: Connection, application_id: str) -> bool:
    """Removes the application; whether there was one. Nobody reaches what it owned; ``purge_orphans`` removes that.

    Nothing is sent to its webhooks any more.
    """
    connection.execute(delete(endpoints).where(endpoints.c.application_id == application_id))
    connection.execute(delete(stream_events).where(stream_events.c.application_id == application_id))
    found = connection.execute(delete(applications).where(applications.c.id == application_id)).rowcount > 0
    if found:
        announce(connection, ApplicationChanged(application_id, "deleted"))
    return found


def purge_orphans(connection: Connection, limit: int = PURGE_ROWS) -> int:
    """Removes up to ``limit`` rows whose application is no more, children first; how many. Repeat until it is 0.

    Costs a look at the index for each application, not for each row, when there is nothing to remove. The bytes of
    media stay until ``Files.sweep`` finds that no row names them.
    """
    left = limit
    for table in (conversations, sessions, devices, users, media, counters):
        owner = _orphaned(connection, table)
        if owner is None:
            continue
        if table is conversations:
            chosen = select(conversations.c.id).where(conversations.c.application_id == owner).limit(left)
            orphans = list(connection.execute(chosen).scalars())
            for below in (receipts, events, members, snapshots):
                left -= _remove(connection, below, below.c.conversation_id.in_(orphans), left)
            # With some of `left` over, every row below these conversations is gone.
            left -= _remove(connection, conversations, conversations.c.id.in_(orphans), left)
        else:
            left -= _remove(connection, table, table.c.application_id == owner, left)
        if left <= 0:
            break
    return limit - left


def _orphaned(connection: Connection, table: Table) -> str | None:
    """An owner of rows in ``table`` that is no more. Every index on its owners is walked from one to the next."""
    owner = table.c.application_id
    known = set(connection.execute(select(applications.c.id)).scalars())
    found = connection.execute(select(func.min(owner))).scalar_one_or_none()
    while found is not None and found in known:
        found = connection.execute(select(func.min(owner)).where(owner > found)).scalar_one_or_none()
    return found


def _remove(connection: Connection, table: Table, condition: Any, limit: int) -> int:
    if limit <= 0:
        return 0
    key = table.primary_key.columns
    rows = connection.execute(select(*key).where(condition).limit(limit)).all()
    if rows:
        # Row by row, by the key: for a list of them SQLite would look at every row there is.
        by_key = delete(table).where(*(column == bindparam(f"b_{column.name}") for column in key))
        connection.execute(by_key, [{f"b_{name}": value for name, value in row._mapping.items()} for row in rows])
    return len(rows)


def _application(row: Row[Any]) -> Application:
    return Application(**dict(row._mapping))
