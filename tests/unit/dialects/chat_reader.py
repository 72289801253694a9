"""A reader as strict as `@vonage/client-sdk` 2.3.1, written out from runs of that client with each key deleted, nulled
or of another type. It drops what breaks a rule here; this reader raises AssertionError instead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

Check = Callable[[Any], None]


def string(value: Any) -> None:
    assert type(value) is str, f"{value!r} is no string"


def integer(value: Any) -> None:
    assert type(value) is int, f"{value!r} is no integer"
    assert -(2**31) <= value < 2**31, f"{value} has more than 32 bits"


def number(value: Any) -> None:
    assert type(value) in (int, float), f"{value!r} is no number"


def boolean(value: Any) -> None:
    assert type(value) is bool, f"{value!r} is neither true nor false"


def free(value: Any) -> None:
    assert type(value) is dict, f"{value!r} is no object"


def instant(value: Any) -> None:
    string(value)
    assert value.endswith("Z"), "anything else never settles the promise"
    datetime.fromisoformat(value)


def one_of(*values: str) -> Check:
    def check(value: Any) -> None:
        assert value in values, f"{value!r} is none of {values}"

    return check


def list_of(item: Check) -> Check:
    def check(value: Any) -> None:
        assert type(value) is list, f"{value!r} is no list"
        for each in value:
            item(each)

    return check


def map_of(item: Check) -> Check:
    def check(value: Any) -> None:
        free(value)
        for each in value.values():
            item(each)

    return check


def nullable(item: Check) -> Check:
    def check(value: Any) -> None:
        if value is not None:
            item(value)

    return check


def shape(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    """An object; optional keys may be absent or null, unknown keys do not matter."""

    def check(value: Any) -> None:
        free(value)
        for key, item in required.items():
            assert key in value, f"{key} is missing from {value}"
            item(value[key])
        for key, item in (optional or {}).items():
            if value.get(key) is not None:
                item(value[key])

    return check


MOMENTS = shape({}, {"created": string, "updated": string, "destroyed": string, "deleted": string})
PROPERTIES = shape({}, {"custom_sort_key": string, "custom_data": free, "ttl": integer})
USER = shape(
    {"id": string, "name": string},
    {"display_name": string, "image_url": string, "timestamp": MOMENTS, "properties": PROPERTIES},
)
EMBEDDED = shape(
    {},
    {
        "from_user": shape(
            {"id": string, "name": string}, {"display_name": string, "image_url": string, "custom_data": free}
        ),
        "from_member": shape({"id": string}, {"name": string, "display_name": string}),
    },
)


def app_endpoint(value: Any) -> None:
    if "user" in value:
        string(value["user"])


ENDPOINTS: dict[Any, Check] = {
    "app": app_endpoint,
    "phone": shape({"number": string}),
    "sip": shape({"uri": string}, {"username": string, "password": string}),
    "websocket": shape({"uri": string}),
}


def endpoint(value: Any) -> None:
    free(value)
    assert value.get("type") in ENDPOINTS, f"{value} is no endpoint this client knows"
    ENDPOINTS[value["type"]](value)


CHANNEL = shape(
    {"type": string},
    {"id": string, "knocking_id": string, "leg_ids": list_of(string), "from": endpoint, "to": endpoint},
)
AUDIO = shape({"enabled": boolean}, {"earmuffed": boolean, "muted": boolean})
MEMBER = {"member_id": string, "user": USER, "channel": CHANNEL}
REFERENCE = shape({"event_id": integer})
LEG = shape({"rtc_id": string})
LINK = shape({"url": string})

CONTENT: dict[Any, Check] = {
    "text": shape({"text": string}),
    "image": shape({"image": LINK}),
    "video": shape({"video": LINK}),
    "audio": shape({"audio": LINK}),
    "file": shape({"file": LINK}),
    "vcard": shape({"vcard": LINK}),
    "custom": shape({"custom": free}),
    "location": shape(
        {"location": shape({"longitude": string, "latitude": string}, {"name": string, "address": string})}
    ),
    "template": shape(
        {
            "template": shape({"name": string}, {"parameters": list_of(string)}),
            "whatsapp": shape({"policy": string, "locale": string}),
        }
    ),
}


def message(value: Any) -> None:
    free(value)
    assert value.get("message_type") in CONTENT, f"{value.get('message_type')!r} is dropped"
    CONTENT[value["message_type"]](value)
    if "timestamp" in value:
        MOMENTS(value["timestamp"])


FIGURE = [
    "mos_score",
    "quality_percentage",
    "jitter_min_var",
    "jitter_max_var",
    "jitter_loss_rate",
    "jitter_burst_rate",
    "packet_loss_perc",
]

# type: (required keys of the envelope beside the body, the body)
NUMBERED = {"id": integer, "cid": string}
TIMED = {**NUMBERED, "timestamp": string}
HEARD: dict[str, tuple[dict[str, Check], Check]] = {
    "member:invited": (
        TIMED,
        shape(
            {
                **MEMBER,
                "conversation": shape({"conversation_id": string, "name": string}, {"display_name": string}),
                "media": shape({"audio_settings": nullable(AUDIO)}),
            },
            {"invited_by": string, "sdp": string},
        ),
    ),
    "member:joined": (TIMED, shape(MEMBER)),
    "member:left": (TIMED, shape(MEMBER, {"reason": shape({}, {"code": string, "text": string})})),
    "member:media": ({**NUMBERED, "_embedded": nullable(EMBEDDED)}, shape({"channel": CHANNEL})),
    "message": (TIMED, message),
    "custom:x": (TIMED, free),
    "ephemeral": ({"cid": string, "timestamp": string}, free),
    "event:delete": (TIMED, REFERENCE),
    **{
        f"message:{what}": (TIMED, REFERENCE)
        for what in ["seen", "delivered", "submitted", "rejected", "undeliverable"]
    },
    "rtc:answer": ({"cid": string}, shape({"rtc_id": string, "answer": string})),
    "rtc:hangup": (
        NUMBERED,
        shape(
            {
                "channel": CHANNEL,
                "bandwidth": shape({"bytes_in": integer, "bytes_out": integer}),
                "reason": shape({"text": string, "code": string, "sip_code": integer}),
                "quality": shape({**dict.fromkeys(FIGURE, number), "flaw_total": integer, "packet_cnt": integer}),
                "direction": string,
            }
        ),
    ),
    "rtc:transfer": (
        NUMBERED,
        shape({"was_member": string, "user_id": string, "transferred_from": string, "channel": CHANNEL}),
    ),
    **{f"audio:{what}": (NUMBERED, LEG) for what in ["mute:on", "mute:off", "earmuff:on", "earmuff:off"]},
    "audio:dtmf": (NUMBERED, shape({"digit": string, "channel": shape({}, {"id": string, "type": string})})),
    "audio:say": (NUMBERED, shape({"say_id": string, "text": string, "level": integer, "loop": integer})),
    "audio:say:done": (NUMBERED, shape({"say_id": string})),
    "leg:status:update": (
        {"id": nullable(integer), "cid": nullable(string)},
        shape(
            {
                "direction": string,
                "leg_id": string,
                # Any other status throws inside the client.
                "status": one_of("ringing", "answered", "completed"),
                "type": string,
                "statusHistory": list_of(shape({"status": string, "date": string})),
            }
        ),
    ),
}
LISTED = ("member:invited", "member:joined", "member:left", "message", "event:delete", "custom:x")


def hears(name: str, payload: Any) -> None:
    """The client takes this packet."""
    assert name in HEARD, f"{name} is ignored: it need not be sent"
    envelope, body = HEARD[name]
    shape({**envelope, "body": body}, {"from": string, "_embedded": EMBEDDED})(payload)


def lists(item: Any) -> None:
    """The client takes this item of GET events; one that it does not take fails the whole page."""
    assert item["type"] in LISTED, f"{item['type']} overflows the client's stack"
    body = HEARD[item["type"]][1]
    state = shape(
        {},
        dict.fromkeys(["seen_by", "delivered_to", "submitted_to", "rejected_by", "undeliverable_to"], map_of(instant)),
    )
    shape(
        {"id": integer, "type": string, "timestamp": string, "body": body},
        {"from": string, "conversation_id": string, "_embedded": EMBEDDED, "state": state},
    )(item)
