"""The OpenAPI document: whole, valid, and about what is there."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis

from legato.api import Generation, routes_of
from legato.api.openapi import openapi
from legato.cli.spec import rooms
from legato.events import CATALOGUE

EVERY_ROOM = rooms()
DOCUMENT = openapi(EVERY_ROOM, version="1.2.3", server_url="https://chat.example")
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_it_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1")


def test_it_has_every_route_in_every_generation() -> None:
    declared = {
        (f"/{generation.value}{route.path}", route.method.lower())
        for room in EVERY_ROOM
        for route, _name in routes_of(room)
        for generation in route.generations
    }
    assert declared == {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert {path.split("/")[1] for path in DOCUMENT["paths"]} == {generation.value for generation in Generation}


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    parts = DOCUMENT["components"]
    there = {f"#/components/{kind}/{name}" for kind in ("schemas", "examples") for name in parts[kind]}
    assert references(DOCUMENT) == there
    assert all(re.fullmatch(r"[\w.-]+", name) for name in DOCUMENT["components"]["schemas"])


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_an_operation_says_what_it_takes_and_answers(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
    assert named == set(re.findall(r"\{(\w+)\}", path))
    successes = [status for status in operation["responses"] if status < "400"]
    assert successes or "501" in operation["responses"]
    if operation["security"] and {} not in operation["security"]:
        assert "401" in operation["responses"]
    assert method != "get" or "requestBody" not in operation


def test_a_picture_is_uploaded_as_a_form_with_a_file() -> None:
    form = DOCUMENT["paths"]["/v1/image"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["file"] == {"type": "string", "format": "binary"}
    assert form["properties"]["thumbnail_size_ratio"]["maximum"] == 100
    assert form["required"] == ["file"]


def test_every_event_that_can_be_posted_has_an_example_that_is_right() -> None:
    examples = DOCUMENT["components"]["examples"]
    assert {"text", "message", "image", "custom", "ephemeral"} <= set(examples)
    for example in examples.values():
        event = example["value"]
        assert CATALOGUE[event["type"]].validate(event["body"])
    posted = DOCUMENT["paths"]["/v1/conversations/{conversation_id}/events"]["post"]["requestBody"]
    assert set(posted["content"]["application/json"]["examples"]) == set(examples)


def test_refusals_have_the_shape_of_their_generation() -> None:
    def shape(path: str) -> str:
        refused = DOCUMENT["paths"][path]["get"]["responses"]["401"]
        return refused["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]

    assert shape("/v0.2/users") == "FlatError"
    assert shape("/v1/users") == "CodedProblem"
    assert shape("/v2/applications") == "Problem"
