"""The weight of events against what they really take."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import pytest

from legato.events import Event, Person
from legato.events.weight import weigh_data, weigh_event

SIZE = 32_000
COPIES = 5


def taken(encoded: bytes) -> float:
    """Bytes that the value takes in memory, read from JSON."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = [msgspec.json.decode(encoded) for _ in range(COPIES)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(kept)


def many(item: str) -> str:
    """A body full of ``item``."""
    return '{"a":[' + ",".join([item] * (SIZE // (len(item.encode()) + 1))) + "]}"


BODIES = {
    "a text": '{"text":"' + "x" * SIZE + '"}',
    "a wide text": '{"text":"' + "x" * SIZE + '😀"}',
    "a message": '{"message_type":"text","text":"hello"}',
    "an image": '{"image":{"original":{"id":"1","url":"https://a.example/b"},"thumbnail":{"id":"2","url":"x"}}}',
    "nothing": "{}",
    "numbers": many("1e9"),
    "short texts": many('"ab"'),
    "emoji": many('"😀"'),
    "lists": many("[]"),
    "lists in lists": many("[" * 100 + "]" * 100),
    "dictionaries": many('{"":[]}'),
    "dictionaries in dictionaries": many('{"":' * 100 + "0" + "}" * 100),
    "many keys": "{" + ",".join(f'"{number:x}":[]' for number in range(3_500)) + "}",
    "a long key": '{"' + "k" * SIZE + '":1}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_takes_no_more_than_it_weighs(body: str) -> None:
    assert taken(body.encode()) <= weigh_data(msgspec.json.decode(body))


@pytest.mark.parametrize("text", ["x" * SIZE, "ж" * SIZE], ids=["latin", "cyrillic"])
def test_a_long_text_weighs_what_it_takes(text: str) -> None:
    body = {"text": text}
    assert weigh_data(body) < 1.05 * taken(msgspec.json.encode(body))


def test_an_event_weighs_what_its_people_bring_along() -> None:
    def event(**custom: Any) -> Event:
        person = Person("USR-1", "ada", custom_data=custom)
        return Event(type="text", body={"text": "hi"}, timestamp="", application_id="", user=person)

    assert weigh_event(event(x=[[]] * 1000)) - weigh_event(event()) > 50_000
