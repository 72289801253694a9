"""History: what a dialect's lists of events consist of, and the item of each event there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from legato.dialects.chat import chat
from legato.dialects.classic import classic
from legato.dialects.dialect import PLAIN, Dialect, Manner
from legato.dialects.form import State, as_made, item_form
from legato.events import CATALOGUE, Effect, Event, JsonObject


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """The stored types a list consists of: those in ``types``, and those that begin with one of ``prefixes``.

    It is applied before paging, so that pages are full: every event it admits has an item.
    """

    types: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()  # (stored type, the type it goes by in this dialect)

    def matches(self, stored_type: str) -> bool:
        """Whether events of that type are in the list."""
        return stored_type in self.types or stored_type.startswith(self.prefixes)

    def narrowed(self, asked: Iterable[str]) -> HistoryFilter:
        """This list, less what a caller did not ask for. ``asked`` are types in the words of the dialect; one that
        ends in ``*`` stands for all that begin so."""
        exact = set()
        prefixes = []
        for each in asked:
            if each.endswith("*"):
                start = each[:-1]
                exact |= {stored for stored in self.types if self._name(stored).startswith(start)}
                prefixes += [prefix for prefix in self.prefixes if prefix.startswith(start)]
                prefixes += [start for prefix in self.prefixes if start.startswith(prefix) and start != prefix]
            else:
                exact |= {stored for stored in self.types if self._name(stored) == each}
                exact |= {each for prefix in self.prefixes if each.startswith(prefix)}
        return HistoryFilter(frozenset(exact), tuple(dict.fromkeys(prefixes)), self.aliases)

    def _name(self, stored: str) -> str:
        return dict(self.aliases).get(stored, stored)


EVERYTHING: Final = HistoryFilter(prefixes=("",))

# "ChatEvents", version 3, is exactly this list: `@vonage/client-sdk` fails a whole page for one event of another type.
CHAT_EVENTS: Final = HistoryFilter(
    frozenset(("member:invited", "member:joined", "member:left", "message", "text", "image", "event:delete")),
    ("custom:",),
    (("text", "message"), ("image", "message")),
)

_KINDS_OF_RECEIPT: Final = tuple(effect.value for effect in Effect if effect.is_receipt)


def history_filter(dialect: Dialect | None) -> HistoryFilter:
    """What lists consist of for readers of ``dialect``; without one, of everything."""
    return CHAT_EVENTS if dialect is Dialect.CHAT else EVERYTHING


def for_history(
    dialect: Dialect | None, event: Event, state: State | None = None, *, manner: Manner = PLAIN
) -> JsonObject | None:
    """The item of a list of events, before links are added; None when the dialect's lists leave such events out.

    Without a dialect the event is told as it was made. ``state`` is null on types that are never acknowledged; in the
    chat dialect only messages have the key.
    """
    if dialect is not Dialect.CHAT:
        rendered = as_made(event) if dialect is None else classic(event, manner)
        return None if rendered is None else {**item_form(event, rendered), "state": _state(event.type, state)}
    if not CHAT_EVENTS.matches(event.type):
        return None
    rendered = chat(event, manner)
    if rendered is None:
        return None
    item = {key: value for key, value in item_form(event, rendered).items() if value is not None}
    if rendered.name == "message":
        item["state"] = _state(event.type, state)
    return item


def _state(type_: str, state: State | None) -> JsonObject | None:
    """Receipts by kind; the two kinds that clients look for are there even when nobody has acknowledged yet."""
    entry = CATALOGUE.get(type_)
    known = {kind: dict(state[kind]) for kind in _KINDS_OF_RECEIPT if kind in state} if state else {}
    if entry is not None and entry.acknowledged:
        return {Effect.DELIVERED.value: {}, Effect.SEEN.value: {}, **known}
    return known or None
