"""What deleting an event takes out of the log: its content, and whatever else there repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from legato.events import CATALOGUE
from legato.events.catalogue import Effect
from legato.events.envelope import Event, JsonObject

Deletions = Mapping[tuple[str, int], str]
"""Deleted events by (conversation id, event id), and when each was: the timestamp of its ``event:delete``."""


def without_content(event: Event, at: str) -> Event:
    """A deleted event: its place, its kind and who made it, and that it was deleted ``at``."""
    kept: JsonObject = {"timestamp": {"deleted": at}}
    if event.type == "message":
        kept = {"message_type": event.body["message_type"], **kept}
    return replace(event, body=kept, params=None, edits=())


def without_echo(event: Event) -> Event:
    """An event about a deleted one, without what it repeats of it: the words of an edit, the URL of a picture.

    The same object when it repeats nothing.
    """
    changes: dict[str, Any] = {}
    if _effect(event) is Effect.EDIT:
        changes["body"] = {"text": "", "original_event_id": event.body["original_event_id"]}
    if event.about is not None and event.about.url is not None:
        changes["about"] = replace(event.about, url=None)
    return replace(event, **changes) if changes else event


def after_deletions(event: Event, deletions: Deletions) -> Event:
    """``event`` as the log has it since these deletions; the same object when none of them concerns it."""
    place = event.conversation_id or ""
    at = deletions.get((place, event.id or 0))
    if at is not None:
        return without_content(event, at)
    if event.about is None:  # what edits, receipts and deletions have, and nothing else
        return event
    target = event.body["original_event_id" if _effect(event) is Effect.EDIT else "event_id"]
    return without_echo(event) if (place, target) in deletions else event


def _effect(event: Event) -> Effect | None:
    entry = CATALOGUE.get(event.type)
    return None if entry is None else entry.effect
