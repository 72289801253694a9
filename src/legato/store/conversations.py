"""Reading conversations and members."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, select

from legato.conversations import Conversation, ConversationState, Member, MemberState, audience_of
from legato.store.rows import conversation_of, member_of
from legato.store.schema import conversations, members


def load_conversations(connection: Connection, ids: Collection[str]) -> dict[str, Conversation]:
    """The state of each conversation that exists and is not deleted, with its current members."""
    rows = connection.execute(
        select(conversations).where(
            conversations.c.id.in_(ids), conversations.c.state != ConversationState.DELETED.value
        )
    ).all()
    found: dict[str, dict[str, Member]] = {row.id: {} for row in rows}
    for member in connection.execute(
        select(members)
        .where(members.c.conversation_id.in_(found), members.c.state != MemberState.LEFT.value)
        .order_by(members.c.conversation_id, members.c.since)
    ):
        found[member.conversation_id][member.id] = member_of(member)
    return {row.id: conversation_of(row, found[row.id], audience_of(found[row.id])) for row in rows}


class Span(NamedTuple):
    """A membership: the user heard the events from ``since`` to ``until``, both included; None: to this day."""

    user_id: str
    since: int
    until: int | None

    def hears(self, event_id: int) -> bool:
        """Whether the event was heard."""
        return self.since <= event_id and (self.until is None or event_id <= self.until)


def load_spans(connection: Connection, ids: Collection[str]) -> dict[str, list[Span]]:
    """Every membership there ever was in these conversations, oldest first."""
    found: dict[str, list[Span]] = {key: [] for key in ids}
    query = select(members.c.conversation_id, members.c.user_id, members.c.since, members.c.until)
    for row in connection.execute(
        query.where(members.c.conversation_id.in_(ids)).order_by(members.c.conversation_id, members.c.since)
    ):
        found[row.conversation_id].append(Span(row.user_id, row.since, row.until))
    return found


def name_owner(connection: Connection, application_id: str, name: str) -> str | None:
    """The id of the application's conversation of that name."""
    found: str | None = connection.execute(
        select(conversations.c.id).where(conversations.c.application_id == application_id, conversations.c.name == name)
    ).scalar()
    return found


def find_member(connection: Connection, conversation_id: str, member_id: str) -> Member | None:
    """A member of the conversation, in whatever state."""
    row = connection.execute(
        select(members).where(members.c.id == member_id, members.c.conversation_id == conversation_id)
    ).first()
    return member_of(row) if row else None


def conversations_of_user(connection: Connection, user_id: str) -> list[tuple[str, str]]:
    """(conversation id, member id) of every membership of the user that has not ended."""
    rows = connection.execute(
        select(members.c.conversation_id, members.c.id)
        .where(members.c.user_id == user_id, members.c.state != MemberState.LEFT.value)
        .order_by(members.c.conversation_id, members.c.since)
    )
    return [(row.conversation_id, row.id) for row in rows]


def conversation_of_member(connection: Connection, member_id: str) -> str | None:
    """The conversation a member id belongs to."""
    found: str | None = connection.execute(select(members.c.conversation_id).where(members.c.id == member_id)).scalar()
    return found
