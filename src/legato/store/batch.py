"""``commit_batch``: everything one batch of the writer changes, in one transaction, on either store."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, case, insert, select, update

from legato.conversations import Conversation, ConversationState, Member, NewMark, without_echo
from legato.events.envelope import Event, decode_event, encode_event
from legato.store.endpoints import set_callback
from legato.store.heads import ConversationChanged, Heads, Notice, announce, heads_after, take_commits
from legato.store.idempotency import NewAnswer, keep_answers
from legato.store.lanes import Step, append_to_streams, move_lanes
from legato.store.rows import conversation_row, event_row, member_row
from legato.store.schema import conversations, events, members, receipts


class StaleStateError(Exception):
    """A conversation is not where it was remembered to be: what was decided on it must be decided again."""


@dataclass(slots=True)
class Head:
    """One conversation's step in a batch: from ``before`` to ``after``; ``is_changed`` when more than events came."""

    before: Conversation
    after: Conversation
    is_new: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether the row itself differs, beyond its sequence and epoch."""
        return self.after.timestamp is not self.before.timestamp

    @property
    def has_new_callback(self) -> bool:
        """Whether its events are posted to somebody else."""
        return self.after.callback != (None if self.is_new else self.before.callback)

    @property
    def is_silent(self) -> bool:
        """Whether the log does not say all that has changed."""
        return self.after.state is ConversationState.DELETED or self.after.sequence == self.before.sequence


@dataclass(slots=True)
class Batch:
    """What the writer decided, ready to be stored. ``events`` stand grouped by conversation, in order."""

    now: float
    heads: dict[str, Head] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    unlogged: list[Event] = field(default_factory=list)  # of streams that are no conversations
    new_members: dict[str, tuple[str, Member]] = field(default_factory=dict)
    changed_members: dict[str, tuple[str, Member]] = field(default_factory=dict)
    marks: list[NewMark] = field(default_factory=list)
    rewrites: dict[tuple[str, int], tuple[Event, bool]] = field(default_factory=dict)
    echoes: list[tuple[str, Collection[int]]] = field(default_factory=list)  # of this conversation, these events
    answers: list[NewAnswer] = field(default_factory=list)
    works: list[Callable[[Connection], None]] = field(default_factory=list)
    notice: Notice | None = None  # for the other nodes

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store (a batch of signals or of repeats)."""
        return not (self.heads or self.unlogged or self.answers or self.works)

    @property
    def new_callbacks(self) -> list[str]:
        """Conversations whose callback is another from now on, or is none any more."""
        return [key for key, head in self.heads.items() if head.has_new_callback]


class Committed(NamedTuple):
    """Where the database was before a batch, whose events have the commit numbers from there on, and after it."""

    held: Heads
    heads: Heads


def commit_batch(connection: Connection, held: Heads, *, batch: Batch) -> Committed:
    """Stores ``batch`` within the caller's transaction, which has locked the heads and found them at ``held``.

    Raises StaleStateError when a conversation is not where the batch was decided.
    """
    first = held.commit + 1
    rows = [event_row(event, first + place, batch.now) for place, event in enumerate(batch.events)]
    if rows:
        take_commits(connection, held, [row["payload"] for row in rows], batch.notice)
    _store_heads(connection, batch, first)
    if rows:
        connection.execute(_INSERT_EVENT, rows)
    if batch.new_members:
        connection.execute(insert(members), [member_row(*pair) for pair in batch.new_members.values()])
    if batch.changed_members:
        rows = [_prefixed(member_row(*pair)) for pair in batch.changed_members.values()]
        connection.execute(_UPDATE_MEMBER, rows)
    if batch.marks:
        connection.execute(_INSERT_RECEIPT, [_mark_row(mark) for mark in batch.marks])
    if batch.rewrites:
        connection.execute(_REWRITE_EVENT, [_rewritten(*rewrite) for rewrite in batch.rewrites.values()])
    for conversation_id, ids in batch.echoes:
        _silence(connection, conversation_id, ids)
    if batch.answers:
        keep_answers(connection, batch.answers)
    _store_webhooks(connection, batch)
    for work in batch.works:
        work(connection)
    silent = [key for key, head in batch.heads.items() if head.is_silent]
    announce(connection, *map(ConversationChanged, silent))
    return Committed(held, heads_after(connection, held, len(batch.events)))


def _store_heads(connection: Connection, batch: Batch, first: int) -> None:
    last_commit = {event.conversation_id: first + place for place, event in enumerate(batch.events)}
    new = [
        {**conversation_row(head.after), "last_commit": last_commit.get(key, 0)}
        for key, head in batch.heads.items()
        if head.is_new
    ]
    if new:
        connection.execute(insert(conversations), new)
    moved = [(key, head) for key, head in batch.heads.items() if not head.is_new]
    if not moved:
        return
    heads = [
        {
            "b_id": key,
            "b_before": head.before.sequence,
            "b_epoch_before": head.before.epoch,
            "b_sequence": head.after.sequence,
            "b_epoch": head.after.epoch,
            "b_last_commit": last_commit.get(key, 0),
        }
        for key, head in moved
    ]
    if connection.execute(_MOVE_HEAD, heads).rowcount != len(heads):
        raise StaleStateError
    changed = [_prefixed(conversation_row(head.after)) for _, head in moved if head.is_changed]
    if changed:
        connection.execute(_UPDATE_CONVERSATION, changed)


def _store_webhooks(connection: Connection, batch: Batch) -> None:
    """Who hears these events by webhook has them waiting from the same moment on at which they have happened."""
    for key in batch.new_callbacks:
        after = batch.heads[key].after
        set_callback(connection, after.application_id, key, after.callback, batch.now)
    steps = append_to_streams(connection, batch.unlogged, batch.now)
    for key, head in batch.heads.items():
        before_sequence = 0 if head.is_new else head.before.sequence
        steps.append(Step(key, head.after.application_id, before_sequence, head.after.sequence))
    move_lanes(connection, steps, batch.now)


def _silence(connection: Connection, conversation_id: str, ids: Collection[int]) -> None:
    """Stores events anew without what they repeat of another. What retention has cut of them is gone already."""
    rows = connection.execute(
        select(events.c.payload).where(events.c.conversation_id == conversation_id, events.c.id.in_(ids))
    )
    # No edit and no receipt can be deleted itself.
    silent = [_rewritten(without_echo(decode_event(row.payload)), False) for row in rows]
    if silent:
        connection.execute(_REWRITE_EVENT, silent)


def _rewritten(event: Event, deleted: bool) -> dict[str, Any]:
    return {
        "b_conversation_id": event.conversation_id,
        "b_id": event.id,
        "b_payload": encode_event(event),
        "b_deleted": deleted,
    }


def _prefixed(row: dict[str, Any]) -> dict[str, Any]:
    return {f"b_{name}": value for name, value in row.items()}


def _mark_row(mark: NewMark) -> dict[str, Any]:
    return {
        "conversation_id": mark.conversation_id,
        "event_id": mark.event_id,
        "member_id": mark.member_id,
        "kind": mark.kind,
        "at": mark.mark.at,
        "receipt_id": mark.mark.receipt_id,
    }


_INSERT_EVENT = insert(events)
_INSERT_RECEIPT = insert(receipts)
_MOVE_HEAD = (
    update(conversations)
    .where(
        conversations.c.id == bindparam("b_id"),
        conversations.c.sequence == bindparam("b_before"),
        conversations.c.epoch == bindparam("b_epoch_before"),
    )
    .values(
        sequence=bindparam("b_sequence"),
        epoch=bindparam("b_epoch"),
        # A step without an event (deleting a conversation) leaves the commit number where it is.
        last_commit=case(
            (bindparam("b_last_commit") > 0, bindparam("b_last_commit")), else_=conversations.c.last_commit
        ),
    )
)
_UPDATE_CONVERSATION = (
    update(conversations)
    .where(conversations.c.id == bindparam("b_id"))
    .values(
        {
            name: bindparam(f"b_{name}")
            for name in (
                "name",
                "display_name",
                "image_url",
                "state",
                "properties",
                "custom_sort_key",
                "numbers",
                "callback",
                "timestamp",
                "expires_at",
            )
        }
    )
)
_UPDATE_MEMBER = (
    update(members)
    .where(members.c.id == bindparam("b_id"))
    .values(
        {
            name: bindparam(f"b_{name}")
            for name in ("state", "channel", "media", "timestamp", "initiator", "reason", "until")
        }
    )
)
_REWRITE_EVENT = (
    update(events)
    .where(events.c.conversation_id == bindparam("b_conversation_id"), events.c.id == bindparam("b_id"))
    .values(payload=bindparam("b_payload"), deleted=bindparam("b_deleted"))
)
