"""What sessions missed while they were away, read for many of them at once.

After a restart everybody comes back at once, and most of them share conversations: a conversation's tail is read once
for all of its members in a batch, and handed out as rows that are decoded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection, select

from legato.conversations import ConversationState
from legato.store.schema import conversations, events, members

# A tail up to so many pages long is read as it is; a longer one is searched for where to begin.
_SCAN_PAGES = 4


class Want(msgspec.Struct, frozen=True):
    """A session that wants what its user heard after commit ``after``."""

    application_id: str
    user_id: str
    after: int


class LogRow(msgspec.Struct, frozen=True):
    """An event of the log as it is stored; ``payload`` is the Event as JSON."""

    conversation_id: str
    id: int
    commit: int
    payload: bytes


class Missed(msgspec.Struct, frozen=True):
    """A page, in commit order. It is all that was missed up to commit ``up_to``; what is later has to be asked for."""

    rows: list[LogRow]
    up_to: int


def missed_by(connection: Connection, wants: Sequence[Want], *, head: int, limit: int) -> list[Missed]:
    """For each session what it missed up to commit ``head``, from each conversation at most ``limit`` events.

    A member hears its conversation from its own invitation or joining to its own leaving, both included. Every page
    gets further than ``after``.
    """
    spans = _spans(connection, wants)
    tails: dict[str, _Tail] = {}
    pages: dict[int, Missed] = {}
    # In ascending order, a page that one session reads is the beginning of what the next one needs.
    for place, want in sorted(enumerate(wants), key=lambda pair: pair[1].after):
        found: dict[int, LogRow] = {}
        up_to = head
        for span in spans.get((want.application_id, want.user_id), ()):
            if span.last_commit <= want.after:
                continue
            tail = tails.get(span.conversation_id)
            if tail is None or not tail.reaches(want.after):
                tail = tails[span.conversation_id] = _read(connection, span, want.after, limit)
            if tail.up_to is not None:
                up_to = min(up_to, tail.up_to)
            for row in tail.rows:
                if row.commit > want.after and span.since <= row.id and (span.until is None or row.id <= span.until):
                    found[row.commit] = row
        rows = [found[commit] for commit in sorted(found) if commit <= up_to]
        pages[place] = Missed(rows, max(up_to, want.after))
    return [pages[place] for place in range(len(wants))]


class _Span(msgspec.Struct, frozen=True):
    conversation_id: str
    since: int
    until: int | None
    sequence: int
    last_commit: int


@dataclass(slots=True)
class _Tail:
    """A conversation's events after commit ``after``: all of them, or those up to ``up_to``."""

    after: int
    up_to: int | None
    rows: list[LogRow] = field(default_factory=list)

    def reaches(self, after: int) -> bool:
        return self.after <= after and (self.up_to is None or after < self.up_to)


def _spans(connection: Connection, wants: Sequence[Want]) -> dict[tuple[str, str], list[_Span]]:
    found: dict[tuple[str, str], list[_Span]] = {}
    if not wants:
        return found
    query = (
        select(
            conversations.c.application_id,
            members.c.user_id,
            members.c.conversation_id,
            members.c.since,
            members.c.until,
            conversations.c.sequence,
            conversations.c.last_commit,
        )
        .join(conversations, conversations.c.id == members.c.conversation_id)
        .where(
            members.c.user_id.in_({want.user_id for want in wants}),
            conversations.c.last_commit > min(want.after for want in wants),
            conversations.c.state != ConversationState.DELETED.value,
        )
    )
    for application_id, user_id, *rest in connection.execute(query):
        found.setdefault((application_id, user_id), []).append(_Span(*rest))
    return found


def _read(connection: Connection, span: _Span, after: int, limit: int) -> _Tail:
    # Every event took a commit number of its own, so at most so many of this conversation's are later than `after`.
    lower = max(0, span.sequence - (span.last_commit - after))
    if span.sequence - lower > _SCAN_PAGES * limit:
        lower = _search(connection, span.conversation_id, lower, span.sequence, after)
    query = (
        select(events.c.conversation_id, events.c.id, events.c.commit_no, events.c.payload)
        .where(events.c.conversation_id == span.conversation_id, events.c.id > lower, events.c.commit_no > after)
        .order_by(events.c.id)
        .limit(limit)
    )
    rows = [LogRow(*row) for row in connection.execute(query)]
    return _Tail(after, rows[-1].commit if len(rows) == limit else None, rows)


def _search(connection: Connection, conversation_id: str, low: int, high: int, after: int) -> int:
    """The greatest id whose commit number is not later than ``after``. Commit numbers grow with ids."""
    while high - low > 1:
        middle = (low + high) // 2
        query = (
            select(events.c.id, events.c.commit_no)
            .where(events.c.conversation_id == conversation_id, events.c.id <= middle)
            .order_by(events.c.id.desc())
            .limit(1)
        )
        row = connection.execute(query).first()
        # Ids below what retention kept are gone: nothing of it can be later than anything.
        if row is None or row.commit_no <= after:
            low = middle
        else:
            high = middle
    return low
