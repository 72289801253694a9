"""Lists of conversations and of members, for REST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, select

from legato.conversations import Conversation, ConversationState, Member, MemberState
from legato.conversations.user import User
from legato.store.paging import Slice, Window, slice_rows
from legato.store.rows import conversation_of, member_of
from legato.store.schema import conversations, members
from legato.store.users import load_users


class Span(NamedTuple):
    """A span of time, in seconds since 1970: from ``start`` on, to ``end`` at the latest; None leaves a side open."""

    start: float | None = None
    end: float | None = None

    def of(self, column: ColumnElement[float]) -> list[ColumnElement[bool]]:
        """As conditions on a column."""
        found = []
        if self.start is not None:
            found.append(column >= self.start)
        if self.end is not None:
            found.append(column <= self.end)
        return found


ALL_TIME: Final = Span()


class Participation(NamedTuple):
    """A conversation as one of its users has it. The conversation's ``members`` are left empty."""

    conversation: Conversation
    member: Member


class Participant(NamedTuple):
    """A member and who it is; ``user`` is None once that user is deleted."""

    member: Member
    user: User | None


def list_conversations(
    connection: Connection, application_id: str, window: Window, *, name: str | None = None, span: Span = ALL_TIME
) -> Slice[Conversation]:
    """The application's conversations by age, without their members; ``name`` is exact."""
    statement = _of_application(application_id, name, span)
    found = slice_rows(connection, statement, (conversations.c.created_at, conversations.c.id), window)
    return found.each(_bare)


def count_conversations(
    connection: Connection, application_id: str, *, name: str | None = None, span: Span = ALL_TIME
) -> int:
    """How many ``list_conversations`` would show."""
    inner = _of_application(application_id, name, span).with_only_columns(conversations.c.id).subquery()
    return connection.execute(select(func.count()).select_from(inner)).scalar_one()


def conversations_from(
    connection: Connection,
    application_id: str,
    first: int,
    size: int,
    *,
    name: str | None = None,
    span: Span = ALL_TIME,
    descending: bool = False,
) -> Sequence[Conversation]:
    """The same list from its ``first``-th item (0-based), as the oldest generation pages."""
    created, id_ = conversations.c.created_at, conversations.c.id
    order = (created.desc(), id_.desc()) if descending else (created, id_)
    statement = _of_application(application_id, name, span).order_by(*order).offset(first).limit(size)
    return [_bare(row) for row in connection.execute(statement)]


def participations(
    connection: Connection,
    application_id: str,
    user_id: str,
    window: Window,
    *,
    state: MemberState | None = None,
    by_sort_key: bool = False,
    since: float | None = None,
) -> Slice[Participation]:
    """The user's conversations: those it is invited to or joined, or those it has ``state`` in.

    A user who is in a conversation more than once is there with the place it took last.
    """
    states = [state.value] if state else [MemberState.INVITED.value, MemberState.JOINED.value]
    places = members.alias()
    last = select(func.max(places.c.since)).where(
        places.c.conversation_id == conversations.c.id, places.c.user_id == user_id
    )
    if state is not MemberState.LEFT:
        # Whoever left and came back is in; only the last place taken tells that somebody is out.
        last = last.where(places.c.state.in_(states))
    statement = (
        select(conversations, *(column.label(f"m_{column.name}") for column in members.c))
        .select_from(conversations)
        .join(
            members,
            and_(
                members.c.conversation_id == conversations.c.id,
                members.c.user_id == user_id,
                members.c.state.in_(states),
                members.c.since == last.correlate(conversations).scalar_subquery(),
            ),
        )
        .where(
            conversations.c.application_id == application_id,
            conversations.c.state != ConversationState.DELETED.value,
            *Span(since).of(conversations.c.created_at),
        )
    )
    keys: tuple[ColumnElement[Any], ...] = (conversations.c.created_at, conversations.c.id)
    if by_sort_key:
        keys = (func.coalesce(conversations.c.custom_sort_key, ""), *keys)
    found = slice_rows(connection, statement, keys, window)
    return found.each(lambda row: Participation(_bare(row), member_of(row, "m_")))


def list_members(connection: Connection, conversation_id: str, window: Window) -> Slice[Participant]:
    """Everyone who is or was in the conversation, in the order they came."""
    statement = select(members).where(members.c.conversation_id == conversation_id)
    found = slice_rows(connection, statement, (members.c.since, members.c.id), window)
    known = load_users(connection, [row.user_id for row in found.items])
    return found.each(lambda row: Participant(member_of(row), known.get(row.user_id)))


def everybody(connection: Connection, conversation_id: str, limit: int) -> list[Participant]:
    """At most ``limit`` who are or were in the conversation: those who are first, each in the order they came."""
    has_left = case((members.c.state == MemberState.LEFT.value, 1), else_=0)
    rows = connection.execute(
        select(members)
        .where(members.c.conversation_id == conversation_id)
        .order_by(has_left, members.c.since, members.c.id)
        .limit(limit)
    ).all()
    known = load_users(connection, [row.user_id for row in rows])
    return [Participant(member_of(row), known.get(row.user_id)) for row in rows]


def last_member_of(connection: Connection, conversation_id: str, user_id: str) -> Member | None:
    """The place the user took last in the conversation, in whatever state."""
    row = connection.execute(
        select(members)
        .where(members.c.conversation_id == conversation_id, members.c.user_id == user_id)
        .order_by(members.c.since.desc())
        .limit(1)
    ).first()
    return None if row is None else member_of(row)


def participant(connection: Connection, conversation_id: str, member_id: str) -> Participant | None:
    """A member of the conversation, in whatever state, and who it is."""
    row = connection.execute(
        select(members).where(members.c.id == member_id, members.c.conversation_id == conversation_id)
    ).first()
    if row is None:
        return None
    return Participant(member_of(row), load_users(connection, [row.user_id]).get(row.user_id))


def _of_application(application_id: str, name: str | None, span: Span) -> Select[Any]:
    statement = select(conversations).where(
        conversations.c.application_id == application_id,
        conversations.c.state != ConversationState.DELETED.value,
        *span.of(conversations.c.created_at),
    )
    return statement if name is None else statement.where(conversations.c.name == name)


def _bare(row: Any) -> Conversation:
    return conversation_of(row, {}, ())
