"""From a method and a path to a handler."""

from __future__ import annotations

from typing import Any

import pytest

from legato.api import Generation, Reply, Request, route, routes_of
from legato.api.contract import NEW
from legato.api.errors import MethodNotAllowed
from legato.api.router import MAX_PATH, Router
from legato.events.refusal import InvalidInput, NotFound


class Rooms:
    """A few routes."""

    @route("GET", "/rooms", "List", tag="rooms")
    async def list_rooms(self, request: Request[Any, Any]) -> Reply[str]:
        return Reply(200, "list")

    @route("GET", "/rooms/{room}", "Get", tag="rooms")
    @route("PUT", "/rooms/{room}", "Put", tag="rooms", generations=NEW)
    async def get_room(self, request: Request[Any, Any]) -> Reply[str]:
        return Reply(200, "one")

    @route("GET", "/rooms/mine", "Mine", tag="rooms")
    async def my_room(self, request: Request[Any, Any]) -> Reply[str]:
        return Reply(200, "mine")

    @route("GET", "/rooms/{room}/doors/{door}", "Door", tag="rooms")
    async def get_door(self, request: Request[Any, Any]) -> Reply[str]:
        return Reply(200, "door")


@pytest.fixture
def router() -> Router:
    return Router([Rooms()])


@pytest.mark.parametrize(
    ("path", "name", "params"),
    [
        ("/v1/rooms", "list_rooms", {}),
        ("/v1/rooms/", "list_rooms", {}),
        ("/v1/rooms/7", "get_room", {"room": "7"}),
        ("/v1/rooms/a%2Fb%20%C3%A9", "get_room", {"room": "a/b é"}),
        ("/v1/rooms/mine", "my_room", {}),
        ("/v1/rooms/7/doors/8/", "get_door", {"room": "7", "door": "8"}),
    ],
)
def test_a_path_leads_to_its_handler(router: Router, path: str, name: str, params: dict[str, str]) -> None:
    found = router.find("GET", path)
    assert found.bound.route.name == name
    assert found.params == params


@pytest.mark.parametrize(
    ("prefix", "generation"),
    [
        ("beta", Generation.V0_1),
        ("v0.1", Generation.V0_1),
        ("beta2", Generation.V0_2),
        ("v0.2", Generation.V0_2),
        ("v0.3", Generation.V0_3),
        ("v1", Generation.V1),
    ],
)
def test_a_prefix_names_a_generation(router: Router, prefix: str, generation: Generation) -> None:
    found = router.find("GET", f"/{prefix}/rooms")
    assert (found.prefix, found.bound.generation) == (prefix, generation)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        "/v1/",
        "/rooms",
        "/v2/rooms",
        "/v1/rooms/7/doors",
        "/v1/rooms//doors/8",
        "/v1/rooms/7//",
        "//rooms",
        "*",
    ],
)
def test_a_path_that_leads_nowhere_is_not_found(router: Router, path: str) -> None:
    with pytest.raises(NotFound) as caught:
        router.find("GET", path)
    assert caught.value.code == "http:error:not-found"


def test_an_endless_path_is_not_looked_at(router: Router) -> None:
    with pytest.raises(NotFound):
        router.find("GET", "/v1/rooms/" + "x" * MAX_PATH)


def test_a_path_that_is_not_utf_8_is_refused(router: Router) -> None:
    with pytest.raises(InvalidInput):
        router.find("GET", "/v1/rooms/%FF")


def test_a_method_that_is_not_answered_names_those_that_are(router: Router) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        router.find("DELETE", "/v1/rooms/7")
    assert set(caught.value.allowed) == {"GET", "PUT", "OPTIONS"}
    with pytest.raises(MethodNotAllowed) as caught:
        router.find("PUT", "/v0.2/rooms/7")
    assert set(caught.value.allowed) == {"GET", "OPTIONS"}


def test_a_route_cannot_be_declared_twice(router: Router) -> None:
    with pytest.raises(ValueError, match="declared twice"):
        router.add(Rooms())


def test_routes_are_declared_without_an_instance() -> None:
    assert [(declared.method, declared.path, name) for declared, name in routes_of(Rooms)] == [
        ("GET", "/rooms", "list_rooms"),
        ("GET", "/rooms/{room}", "get_room"),
        ("PUT", "/rooms/{room}", "get_room"),
        ("GET", "/rooms/mine", "my_room"),
        ("GET", "/rooms/{room}/doors/{door}", "get_door"),
    ]
