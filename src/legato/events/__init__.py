"""The catalogue of event types, the envelope, and the errors that reach a caller. No I/O."""

from __future__ import annotations

from typing import Final

from legato.events.audio import AUDIO
from legato.events.catalogue import (
    MAX_BODY,
    MAX_TYPE,
    Audience,
    Catalogue,
    Creator,
    Effect,
    EventType,
    Performer,
    Storage,
)
from legato.events.conversation import CONVERSATION
from legato.events.envelope import About, Author, Event, JsonObject, Person, decode_event, encode_event
from legato.events.general import GENERAL, MAX_CUSTOM
from legato.events.ids import IdSource, RandomIds, is_id
from legato.events.image import IMAGE
from legato.events.leg import LEG
from legato.events.member import MEMBER
from legato.events.message import MESSAGE
from legato.events.moment import Clock, SystemClock, iso, parse_iso
from legato.events.refusal import (
    Conflict,
    Forbidden,
    InvalidInput,
    InvalidParameter,
    NotFound,
    Overloaded,
    Refusal,
    Unauthenticated,
    Unavailable,
)
from legato.events.rtc import RTC
from legato.events.shapes import MAX_EVENT_ID, MAX_TEXT, MAX_URL
from legato.events.sip import SIP
from legato.events.text import TEXT

# `mixer:publisher:*` and `mixer:subscriber:*` of the platform are left out: they tell of the inside of its video mixer,
# have empty bodies, and no client reads them.
CATALOGUE: Final = Catalogue(
    (*GENERAL, *LEG, *AUDIO, *TEXT, *IMAGE, *MESSAGE, *CONVERSATION, *MEMBER, *RTC, *SIP),
)

__all__ = [
    "CATALOGUE",
    "MAX_BODY",
    "MAX_CUSTOM",
    "MAX_EVENT_ID",
    "MAX_TEXT",
    "MAX_TYPE",
    "MAX_URL",
    "About",
    "Audience",
    "Author",
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
