"""The catalogue: every event type of the platform, declared once.

Validation, rights, fan-out, webhooks, AsyncAPI, JSON Schema, the docs and the console's filters are derived from these
entries. The entries themselves stand in one module per family (``general``, ``audio``, ``text`` …).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from legato.events.envelope import JsonObject
from legato.events.refusal import InvalidInput
from legato.events.validation import Body, check, check_size

# Bytes of JSON of one body: a text of 2,500 characters takes 15,000 at worst (six each), and its other fields as much.
MAX_BODY: Final = 32_768


class Storage(enum.Enum):
    """Where an event lives."""

    LOG = "log"  # numbered and kept in the conversation's log
    SIGNAL = "signal"  # passes through a conversation, has no id, is not kept
    APPLICATION = "application"  # webhook only, no conversation: the application's stream, or a knocker's


class Creator(enum.Flag):
    """Who may create an event of a type."""

    SERVER = enum.auto()
    USER = enum.auto()  # a user's token, as one of that user's own joined members
    ADMIN = enum.auto()  # an application's token


CALLERS: Final = Creator.USER | Creator.ADMIN  # whoever has a token


class Audience(enum.Enum):
    """Which client sessions hear it."""

    MEMBERS = "members"  # every session of every invited or joined member
    OTHERS = "others"  # the same, less the sessions of the user it is from
    SESSION = "session"  # the one session it is addressed to
    NONE = "none"


class Effect(enum.Enum):
    """What an event does to the state it is appended to."""

    NONE = "none"
    SUBMITTED = "submitted_to"
    DELIVERED = "delivered_to"
    SEEN = "seen_by"
    REJECTED = "rejected_by"
    UNDELIVERABLE = "undeliverable_to"
    EDIT = "edit"  # replaces the text of its target
    DELETE = "delete"  # blanks its target
    CONVERSATION = "conversation"
    MEMBER = "member"
    MEDIA = "media"

    @property
    def is_receipt(self) -> bool:
        """Whether it marks its target in ``state``; the value is the key there."""
        return self in _RECEIPTS


_RECEIPTS = frozenset((Effect.SUBMITTED, Effect.DELIVERED, Effect.SEEN, Effect.REJECTED, Effect.UNDELIVERABLE))


class Performer(enum.Enum):
    """Which part of the server makes the real thing happen."""

    CHAT = "chat"
    CALLS = "calls"


@dataclass(frozen=True, slots=True)
class EventType:
    """One entry. ``name`` ends in ``:*`` for a family whose members a caller names (``custom:*``)."""

    name: str
    body: Body | None  # None: any JSON object
    summary: str  # one sentence of documentation
    example: JsonObject  # a body that passes `body`
    creators: Creator = Creator.SERVER
    storage: Storage = Storage.LOG
    audience: Audience = Audience.MEMBERS
    webhook: bool = True
    effect: Effect = Effect.NONE
    performer: Performer = Performer.CHAT
    acknowledged: bool = False  # may be the target of receipts: its `state` is kept
    wakes: bool = False  # a device of somebody who is not connected would be woken for it (`app:push`)
    knocker: bool = False  # also occurs before there is a conversation, from a knocker: then webhook only, without id
    max_body: int = MAX_BODY  # bytes of JSON
    adapt: Callable[[JsonObject], JsonObject] | None = None  # puts tolerated spellings right, in a copy

    @property
    def best_effort(self) -> bool:
        """Whether its webhook is sent once and never repeated, for it is nowhere kept."""
        return self.webhook and self.storage is Storage.SIGNAL

    def validate(self, body: Any) -> JsonObject:
        """``body`` as it will be stored: checked, tolerated spellings put right, unknown keys kept.

        The caller's object is never changed. Raises InvalidInput naming the field.
        """
        if not isinstance(body, dict):
            raise InvalidInput.of("body", "must be an object")
        checked: JsonObject = body if self.adapt is None else self.adapt(body)
        if self.body is not None:
            check(checked, self.body)
        check_size(checked, self.max_body)
        return checked


class Catalogue:
    """Every declared type, by name. ``catalogue["custom:order"]`` finds the family ``custom:*``."""

    def __init__(self, entries: Iterable[EventType]) -> None:
        self._exact: dict[str, EventType] = {}
        self._families: dict[str, EventType] = {}
        for entry in entries:
            table = self._families if entry.name.endswith(":*") else self._exact
            key = entry.name.removesuffix("*")
            if key in table:
                raise ValueError(f"event type {entry.name} is declared twice")
            table[key] = entry

    def get(self, name: str) -> EventType | None:
        """The entry of a type, or None when the platform has no such type."""
        entry = self._exact.get(name)
        if entry is not None:
            return entry
        prefix, colon, rest = name.partition(":")
        family = self._families.get(prefix + colon)
        return family if family is not None and _FAMILY_MEMBER.match(rest) and len(name) <= MAX_TYPE else None

    def __getitem__(self, name: str) -> EventType:
        entry = self.get(name)
        if entry is None:
            raise KeyError(name)
        return entry

    def __iter__(self) -> Iterator[EventType]:
        yield from self._exact.values()
        yield from self._families.values()

    def __len__(self) -> int:
        return len(self._exact) + len(self._families)


MAX_TYPE = 100  # characters of a whole type, `custom:` included (event documentation)
_FAMILY_MEMBER = re.compile(r"[\w\-:]+\Z", re.ASCII)
