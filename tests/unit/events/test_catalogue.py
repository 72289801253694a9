"""The catalogue as a whole: what is in it, and what each entry says of its type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import legato.events
from legato.events import CATALOGUE, MAX_TYPE, Audience, Creator, Effect, EventType, Performer, Storage
from legato.events.catalogue import Catalogue

EXAMPLES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "event-examples.json").read_text(encoding="utf-8")
)

# Event documentation of the platform (2021), the whole list.
DOCUMENTED = [
    "app:knocking",
    "app:knocking:cancel",
    "leg:status:update",
    "audio:dtmf",
    "audio:earmuff:on",
    "audio:earmuff:off",
    "audio:mute:on",
    "audio:mute:off",
    "audio:play",
    "audio:play:stop",
    "audio:play:done",
    "audio:record",
    "audio:record:stop",
    "audio:record:done",
    "audio:ringing:start",
    "audio:ringing:stop",
    "audio:asr:done",
    "audio:asr:record:done",
    "audio:say",
    "audio:say:stop",
    "audio:say:done",
    "audio:speaking:on",
    "audio:speaking:off",
    "text",
    "text:seen",
    "text:delivered",
    "text:update",
    "text:typing:on",
    "text:typing:off",
    "image",
    "image:seen",
    "image:delivered",
    "conversation:created",
    "conversation:updated",
    "conversation:deleted",
    "member:invited",
    "member:joined",
    "member:left",
    "member:media",
    "rtc:answered",
    "rtc:hangup",
    "rtc:status",
    "rtc:terminate",
    "rtc:transfer",
    "sip:ringing",
    "sip:answered",
    "sip:machine",
    "sip:hangup",
    "sip:status",
]
# The same page and the schemas of the years after.
NEWER = [
    "message",
    "message:submitted",
    "message:delivered",
    "message:seen",
    "message:rejected",
    "message:undeliverable",
    "member:message:status",
    "ephemeral",
    "custom:*",
    "event:delete",
    "event:seen",
    "event:delivered",
    "rtc:ringing",
    "rtc:offer",
    "rtc:answer",
    "sip:amd_machine",
    "audio:transcribe:done",
]

# This server's own: it sends no push, and says who would have got one.
OURS = ["app:push"]

# Who may post what: the schema of POST events (2022).
BY_CALLERS = [
    "custom:*",
    "ephemeral",
    "event:seen",
    "event:delivered",
    "audio:play",
    "audio:play:stop",
    "audio:say",
    "audio:say:stop",
    "audio:dtmf",
    "audio:record",
    "audio:record:stop",
    "audio:ringing:start",
    "audio:ringing:stop",
    "audio:mute:on",
    "audio:mute:off",
    "audio:earmuff:on",
    "audio:earmuff:off",
    "image",
    "image:seen",
    "image:delivered",
    "text",
    "text:seen",
    "text:delivered",
    "text:typing:on",
    "text:typing:off",
    "text:update",
    "message",
    "message:seen",
    "message:delivered",
]
BY_APPLICATIONS = ["message:submitted", "message:rejected", "message:undeliverable", "audio:say:done"]
NOT_KEPT = [
    "app:knocking",
    "app:knocking:cancel",
    "app:push",
    "conversation:created",
    "conversation:deleted",
    "text:typing:on",
    "text:typing:off",
    "ephemeral",
    "rtc:offer",
    "rtc:answer",
    "rtc:terminate",
]


def names(entries: Any) -> set[str]:
    return {entry.name for entry in entries}


def test_every_type_of_the_platform_is_declared_once() -> None:
    assert len(DOCUMENTED) == 49
    assert sorted(entry.name for entry in CATALOGUE) == sorted(DOCUMENTED + NEWER + OURS)
    assert len(CATALOGUE) == len(DOCUMENTED) + len(NEWER) + len(OURS)


def test_a_second_declaration_of_a_type_is_refused() -> None:
    with pytest.raises(ValueError, match="text is declared twice"):
        Catalogue((CATALOGUE["text"], CATALOGUE["text"]))


def test_who_may_post_is_as_documented() -> None:
    assert names(entry for entry in CATALOGUE if Creator.USER in entry.creators) == set(BY_CALLERS)
    assert names(entry for entry in CATALOGUE if Creator.ADMIN in entry.creators) == {*BY_CALLERS, *BY_APPLICATIONS}


def test_what_is_kept_is_as_documented() -> None:
    assert names(entry for entry in CATALOGUE if entry.storage is not Storage.LOG) == set(NOT_KEPT)


def test_only_messages_take_receipts() -> None:
    assert names(entry for entry in CATALOGUE if entry.acknowledged) == {"text", "image", "message"}


@pytest.mark.parametrize("entry", list(CATALOGUE), ids=lambda entry: entry.name)
def test_an_entry_agrees_with_itself(entry: EventType) -> None:
    assert entry.validate(entry.example) == entry.example
    assert entry.summary.endswith(".")
    assert ". " not in entry.summary
    if entry.storage is Storage.APPLICATION:
        assert entry.audience is Audience.NONE
        assert entry.webhook
    if entry.storage is Storage.LOG:
        assert entry.audience is Audience.MEMBERS, "a number that a member does not hear is a hole in its log"
    assert entry.best_effort is (entry.storage is Storage.SIGNAL and entry.webhook)
    assert "sent once" in entry.summary or not entry.best_effort
    if entry.effect.is_receipt:
        assert entry.example.keys() == {"event_id"}


@pytest.mark.parametrize(
    ("name", "effect"),
    [
        ("text:seen", Effect.SEEN),
        ("image:delivered", Effect.DELIVERED),
        ("event:seen", Effect.SEEN),
        ("message:submitted", Effect.SUBMITTED),
        ("message:rejected", Effect.REJECTED),
        ("message:undeliverable", Effect.UNDELIVERABLE),
        ("text:update", Effect.EDIT),
        ("event:delete", Effect.DELETE),
        ("member:left", Effect.MEMBER),
        ("conversation:updated", Effect.CONVERSATION),
        ("member:media", Effect.MEDIA),
        ("text", Effect.NONE),
    ],
)
def test_a_type_has_its_effect(name: str, effect: Effect) -> None:
    assert CATALOGUE[name].effect is effect


def test_calls_perform_what_chat_cannot() -> None:
    chat = ("custom", "ephemeral", "event", "text", "image", "message", "conversation")
    of_chat = {name for name in DOCUMENTED + NEWER + OURS if name.split(":")[0] in chat}
    of_chat |= {"app:push", "member:invited", "member:joined", "member:left", "member:message:status"}
    assert names(entry for entry in CATALOGUE if entry.performer is Performer.CHAT) == of_chat


@pytest.mark.parametrize("name", ["custom:order", "custom:order:paid", "custom:a-b_c", "custom:" + "x" * 93])
def test_a_custom_type_is_found_in_its_family(name: str) -> None:
    assert len(name) <= MAX_TYPE
    assert CATALOGUE[name] is CATALOGUE.get("custom:x")


@pytest.mark.parametrize(
    "name",
    [
        "custom",
        "custom:",
        "custom:*",
        "custom:a b",
        "custom:ü",
        "custom:a\n",
        "custom:" + "x" * 94,
        "order",
        "",
        "text:",
    ],
)
def test_what_is_no_type_is_not_found(name: str) -> None:
    assert CATALOGUE.get(name) is None
    with pytest.raises(KeyError):
        CATALOGUE[name]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event["type"])
def test_a_documented_body_is_accepted_as_it_is(event: dict[str, Any]) -> None:
    assert CATALOGUE[event["type"]].validate(event["body"]) == event["body"]


def test_the_documented_bodies_are_of_every_type() -> None:
    assert names(CATALOGUE[event["type"]] for event in EXAMPLES) == names(CATALOGUE) - set(OURS)


def test_the_public_names_are_these() -> None:
    assert sorted(legato.events.__all__) == sorted(
        [
            "About",
            "Audience",
            "Author",
            "CATALOGUE",
            "Catalogue",
            "Clock",
            "Conflict",
            "Creator",
            "Effect",
            "Event",
            "EventType",
            "Forbidden",
            "IdSource",
            "InvalidInput",
            "InvalidParameter",
            "JsonObject",
            "MAX_BODY",
            "MAX_CUSTOM",
            "MAX_EVENT_ID",
            "MAX_TEXT",
            "MAX_TYPE",
            "MAX_URL",
            "NotFound",
            "Overloaded",
            "Performer",
            "Person",
            "RandomIds",
            "Refusal",
            "Storage",
            "SystemClock",
            "Unauthenticated",
            "Unavailable",
            "decode_event",
            "encode_event",
            "is_id",
            "iso",
            "parse_iso",
        ]
    )
    assert all(hasattr(legato.events, name) for name in legato.events.__all__)
