"""The chat dialect: what `@vonage/client-sdk` is told, and that it can decode every bit of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from legato.dialects import CHAT, Dialect, Manner, for_history, for_socket, history_filter
from legato.events import CATALOGUE, About, Author, Event, Person
from legato.events.export import validate_event

from . import chat_reader
from .accepted import APPLICATION, AT, CONVERSATION, MEMBER, OTHER, OWN, USER, everything

MIA = Person(USER, "mia", "Mia")
NOAH = Person("USR-00000007-1111-4222-8333-444455556666", "noah")
MANNER = Manner(
    is_own_media_url=lambda url: url.startswith(OWN), sign_media_url=lambda url, _application: f"{url}?signed"
)


def event(type_: str, body: Any, **more: Any) -> Event:
    told = {"id": 7, "from_": MEMBER, "user": MIA, **more}
    return Event(type=type_, body=body, timestamp=AT, application_id=APPLICATION, conversation_id=CONVERSATION, **told)


def heard(made: Event, **more: Any) -> tuple[str, Any] | None:
    """The packet's name and argument."""
    packet = for_socket(Dialect.CHAT, made, manner=MANNER, **more)
    return None if packet is None else (packet.name, msgspec.json.decode(packet.payload))


def body_of(type_: str, body: Any, **more: Any) -> tuple[str, Any]:
    found = heard(event(type_, body, **more))
    assert found is not None
    return found[0], found[1]["body"]


def test_the_table_is_over_the_whole_catalogue() -> None:
    assert CHAT.keys() == {entry.name for entry in CATALOGUE}


@settings(max_examples=400, deadline=None)
@given(made=everything())
def test_whatever_is_accepted_can_be_decoded(made: Event) -> None:
    packet = heard(made)
    if packet is not None:
        chat_reader.hears(*packet)
    else:
        assert made.type not in ("message", "text", "image", "custom:x", "member:joined", "event:delete", "ephemeral")


@settings(max_examples=150, deadline=None)
@given(made=everything())
def test_history_holds_what_its_filter_admits_and_nothing_else(made: Event) -> None:
    item = for_history(Dialect.CHAT, made, {"seen_by": {OTHER: AT}}, manner=MANNER)
    assert (item is not None) is history_filter(Dialect.CHAT).matches(made.type)
    if item is not None:
        chat_reader.lists(msgspec.json.decode(msgspec.json.encode(item)))
        assert ("state" in item) is (item["type"] == "message")


@settings(max_examples=150, deadline=None)
@given(made=everything())
def test_what_is_heard_is_what_the_catalogue_says(made: Event) -> None:
    packet = heard(made)
    if packet is not None:
        validate_event({"type": packet[0], **packet[1]}, "socket")


def test_a_text_is_a_message_with_the_same_number() -> None:
    found = heard(event("text", {"text": "hi", "language": "en"}))
    assert found is not None
    name, payload = found
    assert name == "message"
    assert payload == {
        "cid": CONVERSATION,
        "id": 7,
        "from": MEMBER,
        "timestamp": AT,
        "application_id": APPLICATION,
        "body": {"message_type": "text", "text": "hi"},
        "_embedded": {"from_user": {"id": USER, "name": "mia", "display_name": "Mia"}, "from_member": {"id": MEMBER}},
    }


@pytest.mark.parametrize(
    ("url", "sent"), [(OWN + "1", OWN + "1?signed"), ("https://files.example/1", "https://files.example/1")]
)
def test_an_image_is_a_message_whose_url_is_signed_if_it_is_ours(url: str, sent: str) -> None:
    one = {"url": url}
    body = {"representations": {"original": one, "medium": one, "thumbnail": one}}
    assert body_of("image", body) == ("message", {"message_type": "image", "image": {"url": sent}})


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text", {"text": ""}),
        ("image", {"image": {"url": ""}}),
        ("custom", {"custom": {}}),
        ("location", {"location": {"longitude": "", "latitude": ""}}),
        ("template", {"template": {"name": ""}, "whatsapp": {"policy": "", "locale": ""}}),
    ],
)
def test_a_deleted_message_keeps_its_kind_and_says_when(kind: str, content: Any) -> None:
    deleted = {"timestamp": {"deleted": AT}}
    assert body_of("message", {"message_type": kind, **deleted}) == (
        "message",
        {"message_type": kind, **content, **deleted},
    )


def test_a_deleted_text_is_a_message_without_words() -> None:
    deleted = {"timestamp": {"deleted": AT}}
    assert body_of("text", deleted) == ("message", {"message_type": "text", "text": "", **deleted})


@pytest.mark.parametrize("own", ["yesterday", 7, [], {"deleted": 7}, {"created": None}, {"mine": AT}])
def test_a_callers_own_timestamp_in_a_message_is_not_told(own: Any) -> None:
    told = {"message_type": "text", "text": "hi"}
    assert body_of("message", {**told, "timestamp": own}) == ("message", told)


def test_the_whatsapp_part_of_a_template_stands_beside_it() -> None:
    whatsapp = {"policy": "deterministic", "locale": "en"}
    inside = {"message_type": "template", "template": {"name": "x", "whatsapp": whatsapp}}
    assert body_of("message", inside)[1] == {
        "message_type": "template",
        "template": {"name": "x"},
        "whatsapp": whatsapp,
    }


def test_a_kind_the_client_does_not_know_is_a_custom_one() -> None:
    name, body = body_of("message", {"message_type": "random", "random": [1]})
    assert (name, body) == (
        "message",
        {"message_type": "custom", "custom": {"message_type": "random", "random": [1]}},
    )


@pytest.mark.parametrize(
    ("receipt", "target", "name"),
    [
        ("text:seen", "text", "message:seen"),
        ("image:delivered", "image", "message:delivered"),
        ("message:seen", "text", "message:seen"),
        ("event:seen", "message", "message:seen"),
        ("message:rejected", "message", "message:rejected"),
        ("event:seen", "custom:x", None),
        ("event:seen", "audio:say", None),
    ],
)
def test_a_receipt_is_a_messages_or_is_not_told(receipt: str, target: str, name: str | None) -> None:
    found = heard(event(receipt, {"event_id": 3}, about=About(target)))
    assert (found and found[0]) == name
    assert found is None or found[1]["body"] == {"event_id": 3}


INVITED = {
    "cname": "desk",
    "conversation": {"conversation_id": CONVERSATION, "name": "desk"},
    "invited_by": NOAH.id,
    "member_id": MEMBER,
    "user": {"id": USER, "user_id": USER, "member_id": MEMBER, "name": "mia"},
    "channel": {"type": "app", "to": {"type": "app"}, "from": {"type": "vbc", "extension": "100"}},
    "media": {"audio_settings": {"enabled": False, "earmuffed": False, "muted": False}, "audio": False},
    "timestamp": {"invited": AT},
    "initiator": {"invited": {"isSystem": False, "user_id": NOAH.id, "member_id": OTHER}},
}


def test_both_people_of_an_invitation_are_who_invited() -> None:
    found = heard(event("member:invited", INVITED, author=Author(NOAH, OTHER)))
    assert found is not None
    assert found[1]["_embedded"] == {"from_user": {"id": NOAH.id, "name": "noah"}, "from_member": {"id": OTHER}}
    assert found[1]["from"] == MEMBER
    assert found[1]["body"]["user"] == {"id": USER, "name": "mia"}


def test_nobody_is_embedded_when_the_system_did_it() -> None:
    found = heard(event("member:joined", INVITED, author=Author()))
    assert found is not None
    assert "_embedded" not in found[1]


def test_a_user_without_a_name_still_has_the_key() -> None:
    found = heard(event("text", {"text": "hi"}, user=Person(USER)))
    assert found is not None
    assert found[1]["_embedded"]["from_user"] == {"id": USER, "name": ""}


def test_an_offer_reaches_only_the_sessions_it_is_added_for() -> None:
    invited = event("member:invited", INVITED, author=Author(NOAH, OTHER))
    without, with_offer = heard(invited), heard(invited, private={"sdp": "v=0"})
    assert without is not None
    assert with_offer is not None
    assert "sdp" not in without[1]["body"]
    assert with_offer[1]["body"] == {**without[1]["body"], "sdp": "v=0"}


@pytest.mark.parametrize(
    ("given_end", "told"),
    [
        ({"type": "app", "user": None}, {"type": "app"}),
        ({"type": "pstn", "number": "15550100001"}, {"type": "phone", "number": "15550100001"}),
        ({"type": "vbc", "extension": "100"}, {"type": "phone", "number": "100"}),
        ({"type": "phone"}, None),
        ({"type": "sip", "uri": "sip:a@b", "username": "a", "password": "secret"}, None),
        ({"type": "websocket", "uri": "wss://x"}, {"type": "websocket", "uri": "wss://x"}),
        ({"type": "sms", "number": "1"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_an_end_of_a_channel_is_of_a_type_the_client_knows(given_end: Any, told: Any) -> None:
    if given_end and given_end.get("type") == "sip":
        told = {"type": "sip", "uri": "sip:a@b", "username": "a"}
    channel = {"type": "app", "id": "leg", "from": given_end}
    body = body_of("member:joined", {**INVITED, "channel": channel})[1]
    assert body["channel"] == {"type": "app", "id": "leg", **({"from": told} if told else {})}


@pytest.mark.parametrize("status", ["started", "busy", "timeout", "machine"])
def test_a_status_of_a_leg_that_the_client_throws_on_is_not_told(status: str) -> None:
    assert heard(event("leg:status:update", {"leg_id": "x", "type": "phone", "status": status})) is None


@pytest.mark.parametrize("name", ["text:update", "text:typing:on", "sip:status", "conversation:updated"])
def test_what_the_client_ignores_is_skipped(name: str) -> None:
    assert heard(event(name, CATALOGUE[name].example)) is None


def test_an_event_of_an_unheard_type_is_skipped() -> None:
    assert heard(event("video:started", {})) is None


def test_receipts_of_a_message_are_in_its_history() -> None:
    state = {"seen_by": {OTHER: AT}}
    item = for_history(Dialect.CHAT, event("text", {"text": "hi"}), state)
    assert item is not None
    assert item["type"] == "message"
    assert item["state"] == {"delivered_to": {}, "seen_by": {OTHER: AT}}
