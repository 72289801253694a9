"""What lists of events consist of, and how a caller narrows them."""

from __future__ import annotations

import pytest

import legato.dialects
from legato.dialects import CHAT_EVENTS, EVERYTHING, Dialect, history_filter
from legato.events import CATALOGUE

WHITELIST = {"member:invited", "member:joined", "member:left", "message", "text", "image", "event:delete", "custom:x"}
NAMES = [entry.name.replace("*", "x") for entry in CATALOGUE]


def admitted(chosen: legato.dialects.HistoryFilter) -> set[str]:
    return {name for name in (*NAMES, "custom:order") if chosen.matches(name)} - {"custom:order"}


def test_chat_lists_are_the_whitelist_of_that_client() -> None:
    assert admitted(history_filter(Dialect.CHAT)) == WHITELIST


def test_other_lists_are_the_whole_log() -> None:
    assert history_filter(None) is EVERYTHING
    assert admitted(EVERYTHING) == set(NAMES)


@pytest.mark.parametrize(
    ("asked", "types"),
    [
        (["message"], {"message", "text", "image"}),
        (["text"], set()),
        (["member:*"], {"member:invited", "member:joined", "member:left"}),
        (["*"], WHITELIST),
        (["m*"], WHITELIST - {"event:delete", "custom:x"}),
        (["custom:*"], {"custom:x"}),
        (["c*"], {"custom:x"}),
        (["custom:x"], {"custom:x"}),
        (["custom:y*"], set()),
        (["event:delete", "custom:x"], {"event:delete", "custom:x"}),
        (["audio:say"], set()),
        ([], set()),
    ],
)
def test_a_chat_list_is_narrowed_in_the_words_of_that_client(asked: list[str], types: set[str]) -> None:
    assert admitted(CHAT_EVENTS.narrowed(asked)) == types


@pytest.mark.parametrize(
    ("asked", "types"),
    [
        (["text"], {"text"}),
        (["message"], {"message"}),
        (["text*"], {name for name in NAMES if name.startswith("text")}),
        (["custom:x", "sip:*"], {"custom:x", *(name for name in NAMES if name.startswith("sip:"))}),
        (["*"], set(NAMES)),
    ],
)
def test_a_list_of_everything_is_narrowed_by_stored_types(asked: list[str], types: set[str]) -> None:
    assert admitted(EVERYTHING.narrowed(asked)) == types


def test_the_public_names_are_these() -> None:
    assert sorted(legato.dialects.__all__) == sorted(
        [
            "CHAT",
            "CHAT_EVENTS",
            "CLASSIC",
            "Dialect",
            "EVERYTHING",
            "HistoryFilter",
            "Manner",
            "PLAIN",
            "SocketEvent",
            "State",
            "for_history",
            "for_socket",
            "for_webhook",
            "history_filter",
        ]
    )
