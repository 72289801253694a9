"""The classic dialect, and the form an event has when it is told as it was made."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from legato.dialects import CLASSIC, Dialect, Manner, for_history, for_socket, for_webhook
from legato.events import CATALOGUE, About, Author, Event, Person, Storage
from legato.events.export import validate_event

from .accepted import AT, CONVERSATION, KNOCKER, MEMBER, OTHER, OWN, USER, everything
from .test_chat import INVITED, MANNER, MIA, NOAH, event


def heard(made: Event, **more: Any) -> tuple[str, Any]:
    packet = for_socket(Dialect.CLASSIC, made, **{"manner": MANNER, **more})
    assert packet is not None
    return packet.name, msgspec.json.decode(packet.payload)


def nulls(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and any(each is None for each in value.values()))


def test_the_table_is_over_the_whole_catalogue() -> None:
    assert CLASSIC.keys() == {entry.name for entry in CATALOGUE}


@settings(max_examples=150, deadline=None)
@given(made=everything())
def test_every_event_of_a_conversation_is_told(made: Event) -> None:
    packet = for_socket(Dialect.CLASSIC, made, manner=MANNER)
    entry = CATALOGUE[made.type]
    assert (packet is not None) is (entry.storage is not Storage.APPLICATION)
    if packet is not None:
        validate_event({"type": packet.name, **msgspec.json.decode(packet.payload)}, "socket")


@settings(max_examples=150, deadline=None)
@given(made=everything())
def test_nexmo_client_finds_what_it_reads(made: Event) -> None:
    packet = for_socket(Dialect.CLASSIC, made, manner=MANNER)
    if packet is None:
        return
    payload = msgspec.json.decode(packet.payload)
    assert not nulls(payload), "it takes null for a value: `id: null` pulls the whole history"
    assert payload["cid"] == CONVERSATION
    assert type(payload["body"]) is dict, "another body blocks the conversation for the rest of the session"
    assert ("id" in payload) is (CATALOGUE[made.type].storage is Storage.LOG)
    if made.type in ("member:invited", "member:joined", "member:left"):
        assert payload["_embedded"]["from_member"]["id"], "or it asks for /members/undefined"
        came = payload["body"].get("timestamp", {})
        assert None not in (came.get(key, AT) for key in ("invited", "joined", "left")), "or who never came has joined"
    if made.type == "member:invited":
        assert "invited_by" in payload["body"], "only null makes it a call of the server"
    assert isinstance(payload.get("_embedded", {}).get("from_user", {"name": ""})["name"], str)


@settings(max_examples=150, deadline=None)
@given(made=everything())
def test_a_webhook_is_told_what_the_catalogue_says(made: Event) -> None:
    if CATALOGUE[made.type].audience.value != "session":
        told = msgspec.json.decode(for_webhook(made))
        if "deleted" not in str(told["body"].get("timestamp")):
            validate_event(told, "webhook")
        assert told["type"] == made.type
        assert told["body"] == msgspec.json.decode(msgspec.json.encode(made.body))


@settings(max_examples=150, deadline=None)
@given(made=everything())
def test_history_without_a_dialect_is_as_it_was_made(made: Event) -> None:
    item = for_history(None, made)
    assert item is not None
    assert item["type"] == made.type
    assert item["body"] == made.body
    if CATALOGUE[made.type].storage is Storage.LOG:
        validate_event(msgspec.json.encode(item), "log")


def test_a_text_goes_as_it_was_made() -> None:
    assert heard(event("text", {"text": "hi", "mine": 1})) == (
        "text",
        {
            "cid": CONVERSATION,
            "id": 7,
            "from": MEMBER,
            "timestamp": AT,
            "application_id": event("text", {}).application_id,
            "body": {"text": "hi", "mine": 1},
            "_embedded": {
                "from_user": {"id": USER, "name": "mia", "display_name": "Mia"},
                "from_member": {"id": MEMBER},
            },
        },
    )


TEXT = {"message_type": "text", "text": "hi", "mine": 1}


@pytest.mark.parametrize(
    ("dialect", "manner", "told"),
    [
        ("chat", MANNER, ("text", {"text": "hi", "mine": 1})),
        ("chat", Manner(message_as_text=False), ("message", TEXT)),
        (None, MANNER, ("message", TEXT)),
    ],
)
def test_a_chat_clients_text_is_a_text_unless_the_application_says_no(
    dialect: Any, manner: Manner, told: tuple[str, Any]
) -> None:
    name, payload = heard(event("message", TEXT, dialect=dialect), manner=manner)
    assert (name, payload["body"]) == told


@pytest.mark.parametrize(
    ("url", "dialect", "name"),
    [
        (OWN + "1", "chat", "image"),
        (OWN + "1", None, "message"),
        ("https://files.example/1.png", "chat", "message"),
        (OWN + "image-1", "chat", "message"),  # nexmo-client would take it for an upload
    ],
)
def test_a_chat_clients_image_is_an_image_if_it_is_ours(url: str, dialect: Any, name: str) -> None:
    made = event("message", {"message_type": "image", "image": {"url": url}}, dialect=dialect)
    told, payload = heard(made)
    assert told == name
    if name == "image":
        representations = payload["body"]["representations"]
        assert {representations[size]["url"] for size in ("original", "medium", "thumbnail")} == {url}
        assert representations["id"] == "1"
    seen = event("message:seen", {"event_id": 7}, about=About.of(made))
    assert heard(seen)[0] == f"{name}:seen", "a receipt speaks of its target as the target was told"


@pytest.mark.parametrize(
    ("receipt", "about", "name"),
    [
        ("message:seen", About("text"), "text:seen"),
        ("text:seen", About("text"), "text:seen"),
        ("message:delivered", About("image"), "image:delivered"),
        ("text:seen", About("message", "text", "chat"), "text:seen"),
        ("message:seen", About("message", "text", "chat"), "text:seen"),
        ("message:seen", About("message", "text"), "message:seen"),
        ("message:seen", About("message", "custom", "chat"), "message:seen"),
        ("event:seen", About("custom:x"), "event:seen"),
        ("event:delivered", About("text"), "text:delivered"),
        ("message:rejected", About("text"), "message:rejected"),
        ("text:seen", None, "text:seen"),
    ],
)
def test_a_receipt_is_named_after_its_target(receipt: str, about: About | None, name: str) -> None:
    told, payload = heard(event(receipt, {"event_id": 3}, about=about))
    assert told == name
    assert payload["body"] == {"event_id": 3}


@pytest.mark.parametrize(
    ("invited_by", "author", "audio", "told"),
    [
        (NOAH.id, Author(NOAH, OTHER), False, "noah"),
        (NOAH.id, Author(NOAH, OTHER), True, "noah"),
        (None, Author(), True, None),
        (None, Author(), False, None),
    ],
)
def test_an_invitation_names_the_inviter(invited_by: Any, author: Author, audio: bool, told: Any) -> None:
    media = {"audio_settings": {"enabled": audio, "earmuffed": False, "muted": False}, "audio": audio}
    body = {**INVITED, "invited_by": invited_by, "media": media}
    _, payload = heard(event("member:invited", body, author=author))
    assert payload["body"]["invited_by"] == told
    assert ("from_user" in payload["_embedded"]) is not audio
    assert payload["_embedded"]["from_member"] == {"id": author.member_id or MEMBER}


def test_a_removal_is_from_who_was_removed_and_by_who_removed() -> None:
    body = {key: INVITED[key] for key in ("member_id", "user", "channel")}
    _, payload = heard(event("member:left", {**body, "timestamp": {"left": AT}}, author=Author(NOAH, OTHER)))
    assert payload["from"] == MEMBER
    assert payload["_embedded"]["from_user"]["id"] == USER
    assert payload["_embedded"]["from_member"] == {"id": OTHER}


def test_an_offer_reaches_only_the_sessions_it_is_added_for() -> None:
    invited = event("member:invited", INVITED, author=Author(NOAH, OTHER))
    assert "sdp" not in heard(invited)[1]["body"]
    assert heard(invited, private={"sdp": "v=0"})[1]["body"]["sdp"] == "v=0"
    assert "sdp" not in invited.body


def test_an_event_sent_again_has_its_receipts() -> None:
    state = {"delivered_to": {OTHER: AT}}
    assert heard(event("text", {"text": "hi"}), state=state)[1]["state"] == state


@pytest.mark.parametrize("name", ["leg:status:update", "sip:ringing", "sip:hangup", "sip:status"])
def test_a_knockers_event_goes_to_the_webhook_alone(name: str) -> None:
    made = Event(type=name, body=CATALOGUE[name].example, timestamp=AT, application_id="x", from_=KNOCKER)
    for dialect in Dialect:
        assert for_socket(dialect, made) is None
    validate_event(for_webhook(made), "webhook")


def test_an_event_of_the_application_has_no_conversation() -> None:
    entry = CATALOGUE["conversation:created"]
    made = Event(type=entry.name, body=entry.example, timestamp=AT, application_id="x")
    assert for_socket(Dialect.CLASSIC, made) is None
    assert msgspec.json.decode(for_webhook(made)).keys() == {"type", "application_id", "timestamp", "body"}


def test_an_event_that_no_member_made_is_from_null() -> None:
    made = event("custom:x", {}, from_=None, user=None)
    assert msgspec.json.decode(for_webhook(made))["from"] is None
    assert "from" not in heard(made)[1]


def test_what_is_private_to_the_log_is_told_to_nobody() -> None:
    made = event("text:seen", {"event_id": 3}, about=About("text"), dialect="chat", author=Author(NOAH, OTHER))
    for told in (heard(made)[1], msgspec.json.decode(for_webhook(made)), for_history(None, made)):
        assert not {"about", "dialect", "author", "user"} & set(told or {})


def test_an_event_of_an_unheard_type_goes_as_it_was_made() -> None:
    assert heard(event("video:started", {"a": 1}))[0] == "video:started"


def test_history_says_who_and_what_and_how_it_was_received() -> None:
    person = Person(USER, "mia", "Mia", custom_data={"team": 1})
    made = event("text", {"text": "hi"}, user=person, to=OTHER, params={"x": 1})
    assert for_history(None, made) == {
        "id": 7,
        "type": "text",
        "cid": CONVERSATION,
        "conversation_id": CONVERSATION,
        "application_id": made.application_id,
        "from": MEMBER,
        "to": OTHER,
        "params": {"x": 1},
        "timestamp": AT,
        "body": {"text": "hi"},
        "state": {"delivered_to": {}, "seen_by": {}},
        "_embedded": {
            "from_user": {"id": USER, "name": "mia", "display_name": "Mia", "custom_data": {"team": 1}},
            "from_member": {"id": MEMBER},
        },
    }


def test_history_of_what_takes_no_receipts_has_a_null_state() -> None:
    item = for_history(None, event("audio:ringing:start", {}, user=MIA))
    assert item is not None
    assert item["state"] is None


def test_history_in_the_classic_dialect_is_translated() -> None:
    item = for_history(Dialect.CLASSIC, event("message", TEXT, dialect="chat"))
    assert item is not None
    assert (item["type"], item["body"]) == ("text", {"text": "hi", "mine": 1})
