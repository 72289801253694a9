"""Field types that several families of events share.

An optional field that is declared ``… | UnsetType`` may be absent but never null: clients take a key that is there for
a thing that happened. Every Struct here tolerates keys it does not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from legato.events.envelope import JsonObject

# `@vonage/client-sdk` decodes event ids as signed 32-bit integers.
MAX_EVENT_ID: Final = 2_147_483_647
# Conversation Service OpenAPI: text.body.text; the SDKs' documentation names the same bound for messages.
MAX_TEXT: Final = 2_500
# Conversation API documentation: image_url; the same bound for every URL a body carries.
MAX_URL: Final = 2_048

EventId = Annotated[int, Meta(ge=1, le=MAX_EVENT_ID, description="The number of an event of this conversation.")]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Url = Annotated[str, Meta(min_length=1, max_length=MAX_URL)]
Id = Annotated[str, Meta(min_length=1, max_length=100)]
Direction = Literal["inbound", "outbound"]
ChannelType = Literal[
    "app", "phone", "pstn", "sip", "vbc", "websocket", "sms", "mms", "whatsapp", "viber", "messenger", "whatsapp-voice"
]
CHANNEL_TYPES: Final[frozenset[str]] = frozenset(get_args(ChannelType))


class Nothing(msgspec.Struct):
    """A body of which no field is interpreted."""


class Reference(msgspec.Struct):
    """The body of a receipt or a deletion: which event it is about."""

    event_id: EventId


class Endpoint(msgspec.Struct):
    """One end of a channel; which field is set depends on ``type``."""

    type: str | None = None
    user: str | None = None
    number: str | None = None
    uri: str | None = None
    id: str | None = None
    headers: JsonObject | None = None


class LegStanding(msgspec.Struct):
    """A leg of a channel, and how far it has come."""

    leg_id: str
    status: str


class Channel(msgspec.Struct):
    """The way a member is connected; ``id`` is the leg's id."""

    type: ChannelType
    id: str | UnsetType = UNSET
    to: Endpoint | None = None
    from_: Endpoint | None = msgspec.field(default=None, name="from")
    headers: JsonObject | None = None
    knocking_id: str | UnsetType = UNSET
    legs: list[LegStanding] | None = None
    leg_ids: list[str] | None = None
    cpa: bool | None = None
    cpa_time: int | None = None
    preanswer: bool | None = None
    ring_timeout: int | None = None
    max_length: int | None = None
    can_hear: list[str] | None = None
    can_speak: list[str] | None = None


class OnChannel(msgspec.Struct):
    """A body that says no more than which channel it happened on."""

    channel: Channel


class Reason(msgspec.Struct):
    """Why something ended. ``sip_code`` is a number: clients compare it as one."""

    code: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    sip_code: int | UnsetType = UNSET


class AudioSettings(msgspec.Struct):
    """Whether a member's audio is on, and in which directions it is not."""

    enabled: bool
    earmuffed: bool = False
    muted: bool = False


class Media(msgspec.Struct):
    """A member's media: whether audio flows, and its settings."""

    audio_settings: AudioSettings | None = None
    audio: bool | JsonObject = False


def event_id_as_number(key: str) -> Any:
    """An ``adapt`` that accepts the event id under ``key`` as digits too, as the v1 documentation writes it."""

    def adapt(body: JsonObject) -> JsonObject:
        value = body.get(key)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
            return {**body, key: int(value)}
        return body

    return adapt
