"""What a decision may know beyond the conversation itself: values, gathered before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from legato.conversations.model import Conversation, Member
from legato.events.envelope import Event, Person


class Mark(msgspec.Struct, frozen=True):
    """A receipt as it stands: when, and the id of the event that said so."""

    at: str
    receipt_id: int


@dataclass(slots=True)
class Target:
    """An event that a command refers to, with what has been marked on it: ``marks[member id, kind]``.

    Owned by the writer: it grows with each receipt, so that a message to a hundred people is not read a hundred times.
    """

    event: Event
    deleted: bool = False
    marks: dict[tuple[str, str], Mark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """The moment of a batch and the facts its commands need.

    ``people`` has every user the commands and the conversation's members may name; ``targets`` the events referred to
    by id; ``name_taken`` says whether another conversation of the application has the wanted name; ``has_left``
    whether the member a command names was here and left; ``user_gone`` whether whom it would bring in was deleted.
    """

    now: str
    people: Mapping[str, Person]
    targets: Mapping[int, Target]
    name_taken: bool = False
    has_left: bool = False
    user_gone: bool = False


class NewMark(msgspec.Struct, frozen=True):
    """A row for the table of receipts."""

    conversation_id: str
    event_id: int
    member_id: str
    kind: str
    mark: Mark


class Decision(msgspec.Struct, frozen=True):
    """What a command comes to: the events to append or signal, the state after them, and what else is to be written.

    ``answer`` is the event to tell the caller about, which for a repeat is not among ``events``.
    """

    state: Conversation
    events: tuple[Event, ...] = ()
    answer: Event | None = None
    member: Member | None = None
    marks: tuple[NewMark, ...] = ()
    rewrite: Event | None = None  # the target as it reads from now on
    deleted: bool = False  # the rewrite blanks it
    echoes: tuple[int, ...] = ()  # ids of events to be stored anew, `without_echo`
