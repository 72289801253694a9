"""Forgetting a person: the log keeps what happened, and no longer says who it was."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select, update

from legato.events.envelope import Author, Event, Person, encode_event
from legato.store.rows import stored_event_of
from legato.store.schema import devices, erasures, events, members, users
from legato.store.sessions import end_sessions_of_user

# Events looked through per transaction, so that nobody waits long behind it.
ERASURE_STEP = 500
# Keys of `body.user` and of snapshots that say nothing about the person.
_IMPERSONAL = frozenset(("id", "user_id", "member_id", "media"))


def delete_user(connection: Connection, user_id: str, now: float) -> bool:
    """Removes the user with its devices and sessions, and notes that its traces must go. False when there was none."""
    found = connection.execute(delete(users).where(users.c.id == user_id)).rowcount > 0
    if found:
        connection.execute(delete(devices).where(devices.c.user_id == user_id))
        end_sessions_of_user(connection, user_id, "user deleted")
        connection.execute(insert(erasures).values(user_id=user_id, created_at=now))
    return found


def pending_erasures(connection: Connection) -> list[str]:
    """Deleted users whose traces are not all gone: what a crash interrupted goes on from here."""
    return [row.user_id for row in connection.execute(select(erasures.c.user_id).order_by(erasures.c.created_at))]


def places_of(connection: Connection, user_id: str) -> list[str]:
    """Every conversation the user has ever been in."""
    rows = connection.execute(
        select(members.c.conversation_id).where(members.c.user_id == user_id).distinct().order_by("conversation_id")
    )
    return [row.conversation_id for row in rows]


def erase_step(connection: Connection, user_id: str, conversation_id: str, after: int) -> int | None:
    """Blanks the user in the next events after id ``after``; the last id looked at, None when the log is through."""
    rows = connection.execute(
        select(events)
        .where(events.c.conversation_id == conversation_id, events.c.id > after)
        .order_by(events.c.id)
        .limit(ERASURE_STEP)
    ).all()
    for row in rows:
        event = stored_event_of(row).event
        blank = blanked(event, user_id)
        if blank is not event:
            connection.execute(
                update(events)
                .where(events.c.conversation_id == conversation_id, events.c.id == row.id)
                .values(payload=encode_event(blank))
            )
    return rows[-1].id if rows else None


def finish_erasure(connection: Connection, user_id: str) -> None:
    """Notes that nothing is left to blank."""
    connection.execute(delete(erasures).where(erasures.c.user_id == user_id))


def blanked(event: Event, user_id: str) -> Event:
    """``event`` without the user's name, picture and data wherever it carries them; the same object when it has none.

    The id stays: it names nobody, and the log must still say that two events were one person's.
    """
    changes: dict[str, Any] = {}
    if event.user is not None and event.user.id == user_id and event.user != Person(user_id):
        changes["user"] = Person(user_id)
    author = event.author
    if author is not None and author.user is not None and author.user.id == user_id and author.user != Person(user_id):
        changes["author"] = Author(Person(user_id), author.member_id)
    told = event.body.get("user")
    if isinstance(told, dict) and told.get("id") == user_id and set(told) - _IMPERSONAL:
        kept = {key: value for key, value in told.items() if key in _IMPERSONAL}
        changes["body"] = {**event.body, "user": kept}
    return replace(event, **changes) if changes else event
