"""``sip:*``: the legs of telephones and other SIP peers."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from legato.events.catalogue import EventType, Performer
from legato.events.envelope import JsonObject
from legato.events.rtc import HANGUP, Directed, Hangup
from legato.events.shapes import Channel


class Machine(msgspec.Struct):
    """What answered, and how sure of it the detection is, in per cent."""

    type: str
    confidence: Annotated[int, Meta(ge=0, le=100)]
    channel: Channel


class SipStatus(msgspec.Struct):
    """The account of a leg that ended; ``duration`` in seconds, as text."""

    price: str
    rate: str
    duration: str
    to: str
    from_: str = msgspec.field(name="from")
    channel: Channel
    direction: Literal["in", "out"]
    network_code: str | None = None
    request_time: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    status: str | None = None
    state: JsonObject | None = None


_CHANNEL = {
    "id": "1f6a9b04-52d3-4f8e-a1c7-0e8b7d2fa001",
    "type": "phone",
    "to": {"type": "phone", "number": "447700900102"},
    "from": {"type": "phone", "number": "447700900101"},
}


def _entry(name: str, body: type[msgspec.Struct], summary: str, example: JsonObject, **more: Any) -> EventType:
    return EventType(f"sip:{name}", body, summary, example, performer=Performer.CALLS, **more)


SIP: Final = (
    _entry(
        "ringing",
        Directed,
        "A SIP leg rings: the one we call, or the one that calls us.",
        {"direction": "outbound", "channel": _CHANNEL},
        knocker=True,
    ),
    _entry("answered", Directed, "A SIP leg was answered.", {"direction": "outbound", "channel": _CHANNEL}),
    _entry(
        "machine",
        Machine,
        "An answering machine, not a person, answered a SIP leg.",
        {"type": "machine", "confidence": 88, "channel": _CHANNEL},
    ),
    _entry(
        "amd_machine",
        Machine,
        "What the advanced detection of answering machines found on a SIP leg.",
        {"type": "machine", "confidence": 96, "channel": _CHANNEL},
    ),
    _entry(
        "hangup",
        Hangup,
        "A SIP leg ended.",
        {**HANGUP, "channel": _CHANNEL, "reason": {"code": "16", "text": "completed", "sip_code": 200}},
        knocker=True,
    ),
    _entry(
        "status",
        SipStatus,
        "The account of a SIP leg that ended.",
        {
            "price": "0",
            "rate": "0",
            "duration": "59",
            "to": "447700900102",
            "from": "447700900101",
            "channel": _CHANNEL,
            "request_time": "2026-03-04T09:05:00.000Z",
            "start_time": "2026-03-04T09:05:04.000Z",
            "end_time": "2026-03-04T09:06:03.000Z",
            "status": "completed",
            "direction": "out",
        },
        knocker=True,
    ),
)
