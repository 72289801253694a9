"""What stays of an application that was deleted: nothing, in steps of bounded size."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, func, insert, select

from legato.auth import StoredDirectory
from legato.store import Store
from legato.store.applications import (
    Application,
    delete_application,
    insert_application,
    purge_orphans,
)
from legato.store.schema import (
    conversations,
    counters,
    devices,
    events,
    media,
    members,
    receipts,
    sessions,
    snapshots,
    users,
)

KEPT, DELETED = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
OWNED = (users, sessions, devices, media, conversations, counters)
BELOW = (events, members, receipts, snapshots)


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Store]:
    store = Store(database_url)
    await store.open()
    yield store
    await store.close()


def _fill(connection: Connection, application_id: str, events_each: int) -> None:
    """An application with a user, a session, a device, a file, a leg that called, and two conversations."""
    insert_application(connection, Application(id=application_id, name="x", public_key="pem", created_at=1.0))
    user = f"USR-{application_id}"
    own = {"application_id": application_id, "created_at": 1.0}
    connection.execute(insert(users).values(id=user, name="alice", properties={}, channels={}, **own))
    connection.execute(
        insert(sessions).values(
            id=f"SES-{application_id}", user_id=user, dialect="chat", session_version="1", properties={}, **own
        )
    )
    connection.execute(insert(devices).values(user_id=user, device_id="d", registration={}, **own))
    connection.execute(insert(media).values(id=application_id, info={}, mime_type="a/b", size=1, **own))
    connection.execute(
        insert(counters).values(name=f"stream:leg of {application_id}", value=3, application_id=application_id)
    )
    for number in range(2):
        cid = f"CON-{number}-{application_id}"
        connection.execute(
            insert(conversations).values(
                id=cid, name=cid, state="ACTIVE", properties={}, numbers=[], timestamp={}, **own
            )
        )
        connection.execute(
            insert(members).values(
                id=f"MEM-{number}-{application_id}",
                conversation_id=cid,
                user_id=user,
                state="JOINED",
                channel={},
                timestamp={},
                initiator={},
                since=1,
            )
        )
        for event in range(events_each):
            connection.execute(
                insert(events).values(
                    conversation_id=cid, id=event + 1, commit_no=1, type="text", created_at=1.0, payload=b"{}"
                )
            )
            connection.execute(
                insert(receipts).values(
                    conversation_id=cid, event_id=event + 1, member_id="m", kind="seen_by", at="", receipt_id=9
                )
            )
        connection.execute(insert(snapshots).values(conversation_id=cid, sequence=1, state=b"{}"))


def _counts(connection: Connection) -> dict[str, int]:
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in (*OWNED, *BELOW)
    }


async def test_all_that_a_deleted_application_owned_goes_and_nothing_else(opened: Store) -> None:
    await opened.write(lambda connection: _fill(connection, KEPT, 5))
    kept = await opened.read(_counts)
    await opened.write(lambda connection: _fill(connection, DELETED, 30))
    assert await opened.write(lambda connection: delete_application(connection, DELETED))
    removed = []
    while step := await opened.write(lambda connection: purge_orphans(connection, limit=7)):
        removed.append(step)
    assert max(removed) <= 7
    assert await opened.read(_counts) == kept


async def test_there_is_nothing_to_purge_while_every_application_stands(opened: Store) -> None:
    await opened.write(lambda connection: _fill(connection, KEPT, 1))
    assert await opened.write(purge_orphans) == 0


async def test_an_application_is_deleted_once(opened: Store) -> None:
    await opened.write(lambda connection: _fill(connection, DELETED, 0))
    assert await opened.write(lambda connection: delete_application(connection, DELETED))
    assert not await opened.write(lambda connection: delete_application(connection, DELETED))


async def test_a_person_is_found_by_name_within_the_application(opened: Store) -> None:
    await opened.write(lambda connection: _fill(connection, KEPT, 0))
    directory = StoredDirectory(opened.read)
    found = await directory.user_by_name(KEPT, "alice")
    assert found is not None
    assert found.id == f"USR-{KEPT}"
    assert await directory.user_by_name(DELETED, "alice") is None
