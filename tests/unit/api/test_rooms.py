"""The declarations: each route can be answered, documented and rendered in each of its generations."""

from __future__ import annotations

import pytest

from legato.api import ROOMS, Generation, Route, routes_of
from legato.api.contract import CONVERSATIONAL, answer_of
from legato.api.render import RENDERERS
from legato.api.router import Router

DECLARED = [(declared, name) for room in ROOMS for declared, name in routes_of(room)]


@pytest.mark.parametrize(
    ("declared", "generation"),
    [(d, g) for d, _ in DECLARED if d.answer for g in d.generations],
    ids=lambda value: f"{value.method} {value.path}" if isinstance(value, Route) else value.value,
)
def test_an_answer_has_a_status_and_a_shape_in_each_generation(declared: Route, generation: Generation) -> None:
    assert declared.answer is not None
    answer = answer_of(type(RENDERERS[generation]), declared.answer)
    assert answer.status in (200, 201, 204)
    assert (answer.body is None) == (answer.status == 204)


def test_every_renderer_of_conversations_writes_every_kind_of_answer() -> None:
    kinds = {declared.answer for declared, _ in DECLARED if declared.answer}
    for generation in CONVERSATIONAL:
        for kind in kinds:
            assert hasattr(getattr(type(RENDERERS[generation]), kind), "status")


def test_every_route_says_what_it_is_and_how_it_is_answered() -> None:
    for declared, name in DECLARED:
        assert declared.summary
        assert declared.name
        assert declared.answer or declared.replies or name == "refuse"


def test_whatever_makes_something_honours_a_key() -> None:
    makers = {declared.path for declared, _ in DECLARED if declared.creates}
    assert makers == {
        "/users",
        "/conversations",
        "/conversations/{conversation_id}/members",
        "/conversations/{conversation_id}/events",
    }


def test_no_two_rooms_declare_one_route() -> None:
    router = Router(room.__new__(room) for room in ROOMS)
    assert len(router.routes) == len(DECLARED)
