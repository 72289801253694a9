"""``rtc:*``: the legs of apps, over WebRTC."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from legato.events.catalogue import Audience, EventType, Performer, Storage
from legato.events.envelope import JsonObject
from legato.events.shapes import Channel, Direction, Reason


class Directed(msgspec.Struct):
    """Which leg, and whether the call came from it or went to it."""

    direction: Direction
    channel: Channel


class Quality(msgspec.Struct):
    """How well a leg's audio arrived; ``mos_score`` from 1 to 5, jitter in milliseconds, shares in per cent."""

    mos_score: float
    quality_percentage: float
    jitter_min_var: float
    jitter_max_var: float
    jitter_loss_rate: float
    jitter_burst_rate: float
    flaw_total: int
    packet_cnt: int
    packet_loss_perc: float


class Bandwidth(msgspec.Struct):
    """What went over a leg."""

    bytes_in: int
    bytes_out: int


class Hangup(msgspec.Struct):
    """How a leg ended."""

    direction: Direction
    quality: Quality
    bandwidth: Bandwidth
    channel: Channel
    reason: Reason | UnsetType = UNSET


class RtcStatus(msgspec.Struct):
    """The account of a leg that ended; ``duration`` in seconds, as text."""

    duration: str
    start_time: str
    end_time: str
    mos: Annotated[float, Meta(ge=1, le=5)]
    price: str
    price_currency: str
    channel: Channel


class Terminate(msgspec.Struct):
    """Which leg a client is to drop."""

    member_id: str
    rtc_id: str


class Transfer(msgspec.Struct):
    """Where a leg came from: the member it was, and the conversation."""

    was_member: str
    user_id: str
    transferred_from: str
    channel: Channel


class Offer(msgspec.Struct):
    """A session description for a client to answer."""

    sdp: str
    leg_id: str
    member_leg_id: str
    member_id: str
    media_settings: JsonObject | None = None
    name: str | None = None


class Answer(msgspec.Struct):
    """The session description that answers a client's."""

    answer: str
    rtc_id: str


# RFC 3264 calls them offer and answer; an SDP may be long, and is no text that people wrote.
_MAX_SDP: Final = 65_536

_LEG = "1f6a9b04-52d3-4f8e-a1c7-0e8b7d2fa002"
_MEMBER = "MEM-3c9d0a7e-61f2-4a1b-8d90-77c1e2f4a001"
_CHANNEL = {
    "id": _LEG,
    "type": "app",
    "to": {"type": "app", "user": "grace"},
    "from": {"type": "app", "user": "henry"},
}
HANGUP: Final[dict[str, Any]] = {
    "direction": "inbound",
    "quality": {
        "mos_score": 4.4,
        "quality_percentage": 98,
        "jitter_min_var": 0.2,
        "jitter_max_var": 2.1,
        "jitter_loss_rate": 0,
        "jitter_burst_rate": 0,
        "flaw_total": 0,
        "packet_cnt": 2950,
        "packet_loss_perc": 0,
    },
    "bandwidth": {"bytes_in": 236_000, "bytes_out": 236_400},
}
_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


def _entry(name: str, body: type[msgspec.Struct], summary: str, example: JsonObject, **more: Any) -> EventType:
    return EventType(f"rtc:{name}", body, summary, example, performer=Performer.CALLS, **more)


def _signal(name: str, body: type[msgspec.Struct], summary: str, example: JsonObject, *, webhook: bool) -> EventType:
    return _entry(
        name,
        body,
        summary,
        example,
        storage=Storage.SIGNAL,
        audience=Audience.SESSION,
        webhook=webhook,
        max_body=_MAX_SDP,
    )


RTC: Final = (
    _entry("ringing", Directed, "An app's leg rings.", {"direction": "inbound", "channel": _CHANNEL}),
    _entry("answered", Directed, "An app's leg is connected.", {"direction": "inbound", "channel": _CHANNEL}),
    _entry(
        "hangup",
        Hangup,
        "An app's leg ended.",
        {
            **HANGUP,
            "channel": _CHANNEL,
            "reason": {"code": "REMOTE_HANGUP", "text": "completed", "sip_code": 200},
        },
    ),
    _entry(
        "status",
        RtcStatus,
        "The account of an app's leg that ended.",
        {
            "duration": "59",
            "start_time": "2026-03-04T09:05:04.000Z",
            "end_time": "2026-03-04T09:06:03.000Z",
            "mos": 4.4,
            "price": "0",
            "price_currency": "EUR",
            "channel": _CHANNEL,
        },
    ),
    _entry(
        "transfer",
        Transfer,
        "A leg was moved here from another conversation.",
        {
            "was_member": "MEM-3c9d0a7e-61f2-4a1b-8d90-77c1e2f4a003",
            "user_id": "USR-9f1b7c22-0d5e-4e63-b7a8-52a6d3c0a001",
            "transferred_from": "CON-7a3c1f60-2b4e-4d7a-9c55-10e0f4a8b002",
            "channel": _CHANNEL,
        },
    ),
    _signal(
        "terminate",
        Terminate,
        "One session is to drop its leg; a signal that is not kept, its webhook sent once.",
        {"member_id": _MEMBER, "rtc_id": _LEG},
        webhook=True,
    ),
    # A session description is for one session alone: it goes to no webhook.
    _signal(
        "offer",
        Offer,
        "A session description for one session to answer; a signal that is not kept and goes to no webhook.",
        {"sdp": _SDP, "leg_id": _LEG, "member_leg_id": _LEG, "member_id": _MEMBER, "name": "grace"},
        webhook=False,
    ),
    _signal(
        "answer",
        Answer,
        "The answer to one session's session description; a signal that is not kept and goes to no webhook.",
        {"answer": _SDP, "rtc_id": _LEG},
        webhook=False,
    ),
)
