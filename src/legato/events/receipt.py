"""Receipts: what a member, or the channel it is reached by, says of an event that came."""

from __future__ import annotations

from legato.events.catalogue import CALLERS, Creator, Effect, EventType
from legato.events.shapes import Reference, event_id_as_number


def receipt(name: str, summary: str, effect: Effect, creators: Creator = CALLERS) -> EventType:
    """The entry of a kind of receipt, whose body names the event it is about."""
    return EventType(
        name,
        Reference,
        summary,
        {"event_id": 12},
        creators=creators,
        effect=effect,
        adapt=event_id_as_number("event_id"),
    )
