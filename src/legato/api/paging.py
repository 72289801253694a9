"""Pages: what a caller may ask, the cursors that go from one to the next, and the links that carry them.

A cursor is hex, so that no client has to decode it. It holds where the page begins and the filters it was made with,
because `nexmo-client` sends only some of them back; a checksum binds it to the list it came from.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final, Generic, Literal, Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta, structs

from legato.api.contract import Request
from legato.events import MAX_EVENT_ID
from legato.events.refusal import InvalidInput
from legato.store.paging import Slice, Window

DEFAULT_PAGE: Final = 10
MAX_PAGE: Final = 100
# What the oldest generation, which has no pages, is answered with at most; also the longest range of events.
MAX_WHOLE: Final = 1_000
# A cursor's filters are a caller's own query, which servers bound at some kilobytes.
MAX_CURSOR: Final = 4_096

T = TypeVar("T")

Order = Literal["asc", "desc", "ASC", "DESC"]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every list takes; a list's own filters are added by subclasses."""

    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE)] | None = None
    order: Order | None = None
    cursor: Annotated[str, Meta(max_length=MAX_CURSOR)] | None = None

    @property
    def size(self) -> int:
        """How many items a page has at most."""
        return self.page_size or DEFAULT_PAGE

    @property
    def descending(self) -> bool:
        """Whether the newest comes first; a list is ascending unless asked otherwise."""
        return self.order is not None and self.order.lower() == "desc"

    def given(self) -> dict[str, Any]:
        """The filters and the order that the caller asked for, by name."""
        asked = {name: value for name, value in msgspec.to_builtins(self).items() if name not in _OF_THE_PAGE}
        if "order" in asked:
            asked["order"] = asked["order"].lower()
        return asked

    def filters(self) -> dict[str, Any]:
        """The same, with the order spelled out."""
        return {"order": "desc" if self.descending else "asc", **self.given()}


_OF_THE_PAGE: Final = frozenset(("page_size", "cursor"))


class _Place(msgspec.Struct, array_like=True):
    """What is inside a cursor."""

    filters: dict[str, Any]
    position: list[Any]
    backwards: bool


_CHECKSUM: Final = 8  # bytes: a guess or a slip passes once in 2^64
_decode_place = msgspec.json.Decoder(_Place).decode


def _checksum(scope: str, place: bytes) -> bytes:
    return blake2b(scope.encode() + b"\0" + place, digest_size=_CHECKSUM, person=b"legato cursor").digest()


def write_cursor(scope: str, filters: dict[str, Any], position: Sequence[Any], *, backwards: bool) -> str:
    """A cursor of the list ``scope``; the place is JSON values."""
    place = msgspec.json.encode(_Place(filters, list(position), backwards))
    return (_checksum(scope, place) + place).hex()


def read_cursor(scope: str, cursor: str) -> tuple[dict[str, Any], tuple[Any, ...], bool]:
    """Filters, position and direction. Raises InvalidInput ``paginator-builder:error:invalid-cursor``."""
    try:
        raw = bytes.fromhex(cursor)
        place = raw[_CHECKSUM:]
        if raw[:_CHECKSUM] != _checksum(scope, place):
            raise invalid_cursor()
        found = _decode_place(place)
    except (ValueError, binascii.Error) as error:
        raise invalid_cursor() from error
    return found.filters, tuple(found.position), found.backwards


def invalid_cursor() -> InvalidInput:
    """The cursor is not one of this list, or not one of ours."""
    return InvalidInput("The cursor is not one of this list.", code="paginator-builder:error:invalid-cursor")


P = TypeVar("P", bound=PageQuery)


Key = tuple[type, ...]
BY_AGE: Final[Key] = (float, str)  # when it was made, and its id


@dataclass(frozen=True, slots=True)
class Turn(Generic[P]):
    """A page being asked for: the query with the cursor's filters, and the window it opens."""

    query: P
    window: Window
    scope: str

    @classmethod
    def of(
        cls, request: Request[Any, P], *, whole: bool = False, key: Callable[[P], Key] = lambda _query: BY_AGE
    ) -> Self:
        """Reads the request's cursor, if any. A filter that contradicts the cursor makes it a foreign one.

        ``whole``: the list is one page, as large as may be. ``key`` tells what an item's place in the list is made of.
        """
        query = request.query
        application_id = request.application_id
        # The path below the prefix and the application name the list; a cursor of beta2 is good on v0.2.
        scope = f"{application_id}/{_below_prefix(request)}"
        if whole:
            return cls(query, Window(MAX_WHOLE, query.descending), scope)
        if query.cursor is None:
            return cls(query, Window(query.size, query.descending), scope)
        filters, position, backwards = read_cursor(scope, query.cursor)
        if any(filters.get(name) != value for name, value in query.given().items()):
            raise invalid_cursor()
        query = _completed(query, filters)
        _check_position(position, key(query))
        return cls(query, Window(query.size, query.descending, position, backwards), scope)

    def page(self, request: Request[Any, P], found: Slice[T]) -> Page[T]:
        """The page that came of it, with its links."""
        base = f"{request.base}/{quote(_below_prefix(request))}"
        links = {"first": self._link(base, None), "self": self._link(base, self.query.cursor)}
        for name, is_there, place in (("next", found.has_after, -1), ("prev", found.has_before, 0)):
            if is_there and found.keys:
                links[name] = self._link(base, self._cursor(found.keys[place], backwards=name == "prev"))
        return Page(found.items, self._size, self.query.cursor, links)

    @property
    def _size(self) -> int:
        return min(self.window.size, MAX_PAGE)

    def _cursor(self, position: Sequence[Any], *, backwards: bool) -> str:
        return write_cursor(self.scope, self.query.filters(), position, backwards=backwards)

    def _link(self, base: str, cursor: str | None) -> str:
        # nexmo-client reads the whole href as a query string: a cursor in first place is lost to it.
        fields = {**self.query.filters(), "page_size": self._size}
        if cursor is not None:
            fields["cursor"] = cursor
        return f"{base}?{urlencode({name: _text(value) for name, value in fields.items()}, quote_via=quote)}"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list; ``links`` has ``first``, ``self`` and, where there is more, ``next`` and ``prev``.

    Only conversations of v0.1 are counted, and paged by ``index``: the place of the page's first item among all.
    """

    items: Sequence[T]
    size: int
    cursor: str | None
    links: dict[str, str]
    count: int = 0
    index: int = 0


def _completed(query: P, filters: dict[str, Any]) -> P:
    """The query with the filters of a cursor, which anybody may have written."""
    if any("\0" in text for text in filters.values() if isinstance(text, str)):
        raise invalid_cursor()
    try:
        return structs.replace(query, **structs.asdict(msgspec.convert(filters, type(query))) | _page_of(query))
    except msgspec.ValidationError as error:
        raise invalid_cursor() from error


def _page_of(query: PageQuery) -> dict[str, Any]:
    return {name: getattr(query, name) for name in _OF_THE_PAGE}


def _check_position(position: tuple[Any, ...], key: Key) -> None:
    if len(position) != len(key):
        raise invalid_cursor()
    for part, kind in zip(position, key, strict=True):
        fits = isinstance(part, str) and "\0" not in part if kind is str else _is_number(part, whole=kind is int)
        if not fits:
            raise invalid_cursor()


def _is_number(part: Any, *, whole: bool) -> bool:
    if isinstance(part, bool) or not isinstance(part, int if whole else int | float):
        return False
    # Whole numbers are places in a log; the widest that both stores compare is 2^63.
    return 0 <= part <= MAX_EVENT_ID if whole else abs(part) < 2**63


def _below_prefix(request: Request[Any, Any]) -> str:
    return request.path.strip("/").partition("/")[2]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
