"""A window on a conversation's log, in ids."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from legato.dialects import EVERYTHING, HistoryFilter
from legato.store.events import EventQuery, TypeFilter, read_page
from legato.store.paging import Slice, Window
from legato.store.rows import StoredEvent


@dataclass(frozen=True, slots=True)
class EventWindow:
    """What of a log is wanted. The bounds are inclusive ids; the window's position is the id it begins beyond."""

    window: Window
    start_id: int | None = None
    end_id: int | None = None
    without_deleted: bool = False


def read_history(
    connection: Connection, conversation_id: str, wanted: EventWindow, types: HistoryFilter
) -> Slice[StoredEvent]:
    """The events in the window that ``types`` admits, fewer when they are large (``MAX_PAGE_BYTES``)."""
    if not types.types and not types.prefixes:
        return Slice(())  # narrowed to nothing
    window = wanted.window
    falling = window.descending != window.backwards
    low, high = wanted.start_id, wanted.end_id
    if window.position is not None:
        place = int(window.position[0])
        if falling:
            high = place - 1 if high is None else min(high, place - 1)
        else:
            low = place + 1 if low is None else max(low, place + 1)
    # The whole log needs no condition on the type.
    admitted = () if types is EVERYTHING else (TypeFilter(types.types, types.prefixes),)
    rows, is_more = read_page(
        connection,
        EventQuery(
            conversation_id,
            limit=window.size,
            descending=falling,
            start_id=low,
            end_id=high,
            types=admitted,
            without_deleted=wanted.without_deleted,
        ),
    )
    is_inside = window.position is not None
    if window.backwards:
        rows.reverse()
    return Slice(
        rows,
        [(stored.event.id,) for stored in rows],
        has_before=is_more if window.backwards else is_inside,
        has_after=is_inside if window.backwards else is_more,
    )
