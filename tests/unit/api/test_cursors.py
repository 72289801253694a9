"""Cursors: opaque to clients, bound to their list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.api.paging import PageQuery, read_cursor, write_cursor
from legato.events.refusal import InvalidInput

FILTERS = st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers(0, 2**31) | st.booleans(), max_size=4)
POSITION = st.lists(st.text(max_size=8) | st.integers(0, 2**31) | st.floats(0, 2e9), max_size=3)


@given(st.text(max_size=80), FILTERS, POSITION, st.booleans())
def test_what_is_written_is_read(scope: str, filters: dict[str, Any], position: list[Any], backwards: bool) -> None:
    cursor = write_cursor(scope, filters, position, backwards=backwards)
    assert set(cursor) <= set("0123456789abcdef")
    assert read_cursor(scope, cursor) == (filters, tuple(position), backwards)


@given(st.data(), FILTERS, POSITION)
def test_a_changed_cursor_is_refused(data: st.DataObject, filters: dict[str, Any], position: list[Any]) -> None:
    cursor = write_cursor("a/users", filters, position, backwards=False)
    place = data.draw(st.integers(0, len(cursor) - 1))
    digit = data.draw(st.sampled_from([one for one in "0123456789abcdef" if one != cursor[place]]))
    with pytest.raises(InvalidInput) as caught:
        read_cursor("a/users", cursor[:place] + digit + cursor[place + 1 :])
    assert caught.value.code == "paginator-builder:error:invalid-cursor"


@given(st.text(max_size=100))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_cursor("a/users", text)


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = write_cursor("a/users", {}, [1], backwards=False)
    with pytest.raises(InvalidInput):
        read_cursor("b/users", cursor)


def test_a_list_is_ascending_unless_asked_otherwise() -> None:
    assert [PageQuery(order=order).descending for order in (None, "asc", "ASC", "desc", "DESC")] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert PageQuery().size == 10
