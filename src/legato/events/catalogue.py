"""The catalogue: every event type of the platform, declared once.

Validation, rights, fan-out, webhooks, AsyncAPI, JSON Schema, the docs and the console's filters are derived from these
entries. The entries themselves stand in one module per family (``general``, ``audio``, ``text`` …).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from legato.events.envelope import JsonObject
from legato.events.refusal import InvalidInput, InvalidParameter


class Storage(enum.Enum):
    """Where an event lives."""

    LOG = "log"  # numbered and kept in the conversation's log
    SIGNAL = "signal"  # passes through a conversation, has no id, is not kept
    APPLICATION = "application"  # the application's own stream: webhook only, no conversation


class Creator(enum.Flag):
    """Who may create an event of a type."""

    SERVER = enum.auto()
    USER = enum.auto()  # a user's token, as one of that user's own joined members
    ADMIN = enum.auto()  # an application's token


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
    body: type[msgspec.Struct] | None  # None: any JSON object
    summary: str  # one sentence of documentation
    example: JsonObject  # a body that passes `body`
    creators: Creator = Creator.SERVER
    storage: Storage = Storage.LOG
    audience: Audience = Audience.MEMBERS
    webhook: bool = True
    effect: Effect = Effect.NONE
    performer: Performer = Performer.CHAT
    acknowledged: bool = False  # may be the target of receipts: its `state` is kept
    max_body: int | None = None  # bytes of JSON

    def validate(self, body: Any) -> JsonObject:
        """``body`` as it will be stored: checked, numbers in their declared type, unknown keys kept.

        Raises InvalidInput naming the field.
        """
        if not isinstance(body, dict):
            raise InvalidInput.of("body", "must be an object")
        if self.max_body is not None and len(msgspec.json.encode(body)) > self.max_body:
            raise InvalidInput.of("body", f"must be at most {self.max_body} bytes of JSON")
        if self.body is None:
            return body
        try:
            typed = msgspec.convert(body, self.body, strict=False)
        except msgspec.ValidationError as error:
            raise _invalid(error) from error
        # The struct's declared values win (a "7" becomes 7); keys it does not know are kept as they came.
        return {**body, **msgspec.to_builtins(typed)}


_PATH = re.compile(r"^(?P<reason>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


def _invalid(error: msgspec.ValidationError) -> InvalidInput:
    """What msgspec found, as the API's invalid parameter."""
    found = _PATH.match(str(error))
    reason, path = (found["reason"], found["path"] or "") if found else (str(error), "")
    missing = _MISSING.match(reason)
    if missing:
        path, reason = ".".join(filter(None, (path, missing["field"]))), "is required"
    name = ".".join(filter(None, ("body", path)))
    return InvalidInput(invalid=(InvalidParameter(name, f'"{name}" {reason[:1].lower()}{reason[1:]}'),))


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
