"""What the catalogue is made into: JSON Schema, AsyncAPI, the reference page."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from legato import __version__
from legato.events import CATALOGUE, Audience, EventType, Storage
from legato.events.export import Sink, asyncapi, example, json_schema, validate_event
from legato.events.page import page

from .test_catalogue import EXAMPLES

ROOT = Path(__file__).parents[3]


def goes_to(entry: EventType, sink: Sink) -> bool:
    if sink is Sink.LOG:
        return entry.storage is Storage.LOG
    return sink is Sink.WEBHOOK or entry.audience is not Audience.NONE


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event["type"])
def test_a_documented_event_is_valid(event: dict[str, Any]) -> None:
    validate_event(event, "webhook")
    validate_event(json.dumps(event), Sink.WEBHOOK)
    if CATALOGUE[event["type"]].webhook:
        Draft202012Validator(json_schema()).validate(event)


@pytest.mark.parametrize("sink", list(Sink))
@pytest.mark.parametrize("entry", list(CATALOGUE), ids=lambda entry: entry.name)
def test_the_example_of_a_type_is_valid_where_it_goes(entry: EventType, sink: Sink) -> None:
    event = {"type": entry.name.replace("*", "example"), **example(entry, sink)}
    if goes_to(entry, sink):
        validate_event(event, sink)
    else:
        with pytest.raises(ValueError, match=f"has no place at {sink}"):
            validate_event(event, sink)


@pytest.mark.parametrize(
    ("sink", "change", "words"),
    [
        ("webhook", {"about": {"type": "text"}}, "Additional properties"),
        ("webhook", {"id": "15"}, "is not of type 'integer'"),
        ("webhook", {"id": None}, "is not of type 'integer'"),
        ("webhook", {"timestamp": "2026-03-04 09:15:00"}, "does not match"),
        ("webhook", {"body": {}}, "is not valid under any of the given schemas"),
        ("webhook", {"body": {"timestamp": {}}}, "is not valid under any of the given schemas"),
        ("webhook", {"conversation_id": "somewhere"}, "does not match"),
        ("webhook", {"type": "text:unheard"}, "is no event type"),
        ("socket", {"conversation_id": "CON-7a3c1f60-2b4e-4d7a-9c55-10e0f4a8b001"}, "Additional properties"),
        ("socket", {"from": None}, "is not of type 'string'"),
        ("socket", {"_embedded": {"from_user": {"id": "USR-9f1b7c22-0d5e-4e63-b7a8-52a6d3c0a001"}}}, "_embedded"),
        ("log", {"state": {"read_by": {}}}, "'read_by' is not one of"),
        ("log", {"state": {"seen_by": {"MEM-1": "yesterday"}}}, "does not match"),
    ],
)
def test_an_event_that_breaks_its_promise_is_found(sink: str, change: dict[str, Any], words: str) -> None:
    event = {"type": "text", **example(CATALOGUE["text"], Sink(sink)), **change}
    with pytest.raises(ValueError, match=words):
        validate_event(event, sink)


@pytest.mark.parametrize("sink", ["log", "socket", "webhook"])
def test_a_deleted_event_is_valid_where_it_is_told_again(sink: str) -> None:
    blanked = {"message_type": "image", "timestamp": {"deleted": "2026-03-04T09:15:00.000Z"}}
    validate_event({"type": "message", **example(CATALOGUE["message"], Sink(sink)), "body": blanked}, sink)


def test_a_signal_with_a_number_is_found() -> None:
    event = {"type": "ephemeral", **example(CATALOGUE["ephemeral"], Sink.SOCKET), "id": 15}
    with pytest.raises(ValueError, match="does not allow 15"):
        validate_event(event, "socket")


def test_the_json_schema_is_one() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    for reference in references(schema):
        assert resolve(schema, reference) is not None


def test_the_asyncapi_document_hangs_together() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["version"] == __version__
    for reference in references(document):
        assert resolve(document, reference) is not None
    told = {
        channel: {
            resolve(document, each["$ref"])["name"] for each in document["channels"][channel]["messages"].values()
        }
        for channel in ("session", "webhook")
    }
    assert told["webhook"] == {entry.name for entry in CATALOGUE if entry.webhook}
    assert told["session"] == {entry.name for entry in CATALOGUE if goes_to(entry, Sink.SOCKET)}
    for name in (*document["components"]["messages"], *document["components"]["schemas"]):
        assert name.replace(".", "").replace("_", "").replace("-", "").isalnum(), "AsyncAPI 3.0: names of components"


def test_the_reference_page_is_the_catalogue() -> None:
    assert (ROOT / "docs" / "reference" / "events.md").read_text(encoding="utf-8") == page()


def test_the_documented_events_are_made_by_their_script(tmp_path: Path) -> None:
    kept = ROOT / "tests" / "data" / "event-examples.json"
    script = tmp_path / "make_event_examples.py"
    script.write_text(kept.with_name(script.name).read_text(encoding="utf-8"), encoding="utf-8")
    runpy.run_path(str(script), run_name="__main__")
    assert (tmp_path / kept.name).read_text(encoding="utf-8") == kept.read_text(encoding="utf-8")
