"""Windows on a list: keyset paging, so that the last page costs what the first one does; and rows by pairs of keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, tuple_

K = TypeVar("K")
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted.

    ``position`` is the key of the item that the window begins beyond (None: at the end of the list), in the order of
    the list, or against it when ``backwards``. The items come in the order of the list either way.
    """

    size: int
    descending: bool = False
    position: tuple[Any, ...] | None = None
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """What a window shows, and whether there is more on either side. ``keys`` has each item's position."""

    items: Sequence[T]
    keys: Sequence[tuple[Any, ...]] = ()
    has_before: bool = False
    has_after: bool = False

    def each(self, change: Callable[[T], U]) -> Slice[U]:
        """The same place in the list, with every item changed."""
        return Slice([change(item) for item in self.items], self.keys, self.has_before, self.has_after)


def slice_rows(
    connection: Connection, statement: Select[Any], keys: Sequence[ColumnElement[Any]], window: Window
) -> Slice[Row[Any]]:
    """The rows of ``statement`` in the window, ordered by ``keys``, which must be unique together and never NULL."""
    falling = window.descending != window.backwards
    if window.position is not None:
        here, there = tuple_(*keys), tuple_(*window.position)
        statement = statement.where(here < there if falling else here > there)
    labels = [key.label(f"key_{place}") for place, key in enumerate(keys)]
    ordered = statement.add_columns(*labels).order_by(*(key.desc() if falling else key.asc() for key in keys))
    rows = list(connection.execute(ordered.limit(window.size + 1)))
    is_more = len(rows) > window.size
    del rows[window.size :]
    is_inside = window.position is not None
    if window.backwards:
        rows.reverse()
    width = len(keys)
    return Slice(
        rows,
        [tuple(row[-width:]) for row in rows],
        has_before=is_more if window.backwards else is_inside,
        has_after=is_inside if window.backwards else is_more,
    )


def grouped(pairs: Iterable[tuple[str, K]]) -> dict[str, list[K]]:
    """The second halves of key pairs by their first, to be asked for with ``first = … AND second IN (…)``."""
    found: dict[str, list[K]] = {}
    for first, second in pairs:
        found.setdefault(first, []).append(second)
    return found
