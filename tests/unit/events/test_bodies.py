"""Bodies: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.events import CATALOGUE, MAX_BODY, MAX_CUSTOM, MAX_EVENT_ID, InvalidInput, InvalidParameter

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


def refused(name: str, body: Any) -> list[str]:
    """The reasons for which ``body`` is refused."""
    with pytest.raises(InvalidInput) as caught:
        CATALOGUE[name].validate(body)
    assert caught.value.code == "http:error:validation-fail"
    for each in caught.value.invalid:
        assert each.reason.startswith(f'"{each.name}" ')
    return [each.reason for each in caught.value.invalid]


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("text", {}, '"body.text" is required'),
        ("text", [], '"body" must be an object'),
        ("text", None, '"body" must be an object'),
        ("text", {"text": ""}, '"body.text" must not be empty'),
        ("text", {"text": "x" * 2501}, '"body.text" must have at most 2500 characters'),
        ("text", {"text": 7}, '"body.text" must be a string'),
        ("text", {"text": None}, '"body.text" must be a string'),
        ("text", {"text": "x", "language": 7}, '"body.language" must be a string or null'),
        ("text", {"text": "x", "channels": ["app", "fax"]}, '"body.channels.1" must be one of sms, app'),
        ("text", {"text": "x", "channels": "app"}, '"body.channels" must be an array or null'),
        ("text:seen", {}, '"body.event_id" is required'),
        ("text:seen", {"event_id": 0}, '"body.event_id" must be at least 1'),
        ("text:seen", {"event_id": MAX_EVENT_ID + 1}, f'"body.event_id" must be at most {MAX_EVENT_ID}'),
        ("text:seen", {"event_id": "seven"}, '"body.event_id" must be an integer'),
        ("text:seen", {"event_id": "9" * 5000}, '"body.event_id" must be an integer'),
        ("text:seen", {"event_id": "-7"}, '"body.event_id" must be an integer'),
        ("text:seen", {"event_id": "٧"}, '"body.event_id" must be an integer'),
        ("text:seen", {"event_id": 1.5}, '"body.event_id" must be an integer'),
        ("text:seen", {"event_id": True}, '"body.event_id" must be an integer'),
        ("text:update", {"text": "x"}, '"body.original_event_id" is required'),
        ("text:typing:on", {"activity": 2}, '"body.activity" must be at most 1'),
        (
            "image",
            {"representations": {"original": {}, "medium": {}, "thumbnail": {}}},
            '"body.representations.original.url" is required',
        ),
        ("message", {}, '"body.message_type" is required'),
        ("message", {"message_type": 1}, '"body.message_type" must be a string'),
        (
            "message",
            {"message_type": "sticker"},
            (
                '"body.message_type" must be one of text, image, audio, video, file, template, custom, vcard, '
                "location, random"
            ),
        ),
        ("message", {"message_type": "text"}, '"body.text" is required'),
        ("message", {"message_type": "text", "text": "x" * 2501}, '"body.text" must have at most 2500 characters'),
        ("message", {"message_type": "image", "image": "https://x"}, '"body.image" must be an object'),
        ("message", {"message_type": "video", "video": {"url": ""}}, '"body.video.url" must not be empty'),
        ("message", {"message_type": "custom", "custom": []}, '"body.custom" must be an object'),
        (
            "message",
            {"message_type": "location", "location": {"longitude": "4.9", "latitude": True}},
            '"body.location.latitude" must be a string',
        ),
        (
            "message",
            {"message_type": "template", "template": {"name": "x"}},
            '"body" must have whatsapp, beside template or inside it',
        ),
        (
            "message",
            {"message_type": "text", "text": "x", "viber_service": {"ttl": 29}},
            '"body.viber_service.ttl" must be at least 30',
        ),
        (
            "message",
            {"message_type": "text", "text": "x", "messenger": {"category": "spam"}},
            '"body.messenger.category" must be one of response, update, message_tag',
        ),
        ("custom:x", {"x": "x" * MAX_CUSTOM}, f'"body" must be at most {MAX_CUSTOM} bytes of JSON'),
        ("ephemeral", {"x": "x" * MAX_CUSTOM}, f'"body" must be at most {MAX_CUSTOM} bytes of JSON'),
        ("text", {"text": "x", "more": "x" * MAX_BODY}, f'"body" must be at most {MAX_BODY} bytes of JSON'),
        ("audio:dtmf", {}, '"body" must have digit or digits'),
        ("audio:dtmf", {"digit": "x"}, "\"body.digit\" must match '^[0-9a-dA-D#*pP]+$'"),
        ("audio:play", {"stream_url": []}, '"body.stream_url" must not be empty'),
        ("audio:play", {"stream_url": ["https://x"], "level": 2}, '"body.level" must be at most 1'),
        ("audio:record", {"format": "ogg"}, '"body.format" must be one of mp3, wav, vorbis'),
    ],
)
def test_a_wrong_body_is_refused_with_the_reason(name: str, body: Any, reason: str) -> None:
    assert refused(name, body) == [reason]


@pytest.mark.parametrize(
    ("name", "body", "stored"),
    [
        ("text:seen", {"event_id": "7"}, {"event_id": 7}),
        ("event:delivered", {"event_id": "2147483647"}, {"event_id": MAX_EVENT_ID}),
        ("text:update", {"text": "x", "original_event_id": "7"}, {"text": "x", "original_event_id": 7}),
        (
            "message",
            {"message_type": "location", "location": {"longitude": 4.9, "latitude": -52, "name": "x"}},
            {"message_type": "location", "location": {"longitude": "4.9", "latitude": "-52", "name": "x"}},
        ),
        ("audio:play", {"streamUrl": ["https://x"], "loop": 2}, {"stream_url": ["https://x"], "loop": 2}),
        ("audio:record", {"mulitrack": True}, {"multitrack": True}),
    ],
)
def test_a_tolerated_spelling_is_put_right(name: str, body: Any, stored: Any) -> None:
    before = copy.deepcopy(body)
    assert CATALOGUE[name].validate(body) == stored
    assert body == before, "the caller's object is not changed"


@pytest.mark.parametrize(
    "body",
    [
        {"message_type": "text", "text": "x" * 2500},
        {"message_type": "image", "image": {"url": "https://x", "caption": "x"}},
        {"message_type": "template", "template": {"name": "x", "whatsapp": {"policy": "p", "locale": "en"}}},
        {"message_type": "vcard", "vcard": {"url": "https://x"}, "image": {"url": "https://x"}},
        {"message_type": "random"},
        {"message_type": "random", "random": {"anything": [1]}},
        {"message_type": "custom", "custom": {}},
    ],
)
def test_a_message_of_each_shape_is_accepted(body: dict[str, Any]) -> None:
    assert CATALOGUE["message"].validate(body) == body


@given(name=st.sampled_from([entry.name.replace("*", "x") for entry in CATALOGUE]), extra=JSON)
def test_keys_that_nobody_knows_are_kept(name: str, extra: Any) -> None:
    entry = CATALOGUE[name]

    def grown(value: Any) -> Any:
        if isinstance(value, dict):
            return {**{key: grown(each) for key, each in value.items()}, "x-unknown": extra}
        return [grown(each) for each in value] if isinstance(value, list) else value

    body = grown(entry.example)
    assert entry.validate(body) == body


@given(name=st.sampled_from([entry.name.replace("*", "x") for entry in CATALOGUE]), body=JSON)
def test_any_json_is_accepted_or_refused_in_words(name: str, body: Any) -> None:
    reasons: tuple[InvalidParameter, ...] = ()
    try:
        stored = CATALOGUE[name].validate(body)
    except InvalidInput as refusal:
        stored, reasons = None, refusal.invalid
    assert reasons or msgspec.json.decode(msgspec.json.encode(stored)) == stored


def test_a_body_that_is_too_deep_is_refused() -> None:
    body: dict[str, Any] = {}
    for _ in range(5000):
        body = {"x": body}
    assert refused("custom:x", body) == ['"body" is nested too deeply']


def test_a_body_with_half_a_character_is_refused() -> None:
    assert refused("custom:x", {"x": "\ud83d"})[0].startswith('"body" cannot be written as JSON')
