"""``message``: ten kinds of content told apart by ``message_type``, with their receipts."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from legato.events.catalogue import CALLERS, Creator, Effect, EventType
from legato.events.envelope import JsonObject
from legato.events.receipt import receipt
from legato.events.shapes import EventId, Text, Url


class Messenger(msgspec.Struct):
    """What the Messenger channel wants to know beside the content."""

    category: Literal["response", "update", "message_tag"] | None = None
    tag: str | None = None


class Viber(msgspec.Struct):
    """What the Viber channel wants to know; ``ttl`` in seconds."""

    category: Literal["transaction", "promotion"] | None = None
    ttl: Annotated[int, Meta(ge=30, le=259_200)] | None = None
    type: str | None = None


class Whatsapp(msgspec.Struct):
    """What the WhatsApp channel wants to know of a template."""

    policy: str
    locale: str


class _Message(msgspec.Struct, tag_field="message_type", kw_only=True):
    messenger: Messenger | None = None
    viber_service: Viber | None = None
    whatsapp: Whatsapp | None = None


class Link(msgspec.Struct):
    """Something that lies elsewhere."""

    url: Url
    caption: str | None = None


class Place(msgspec.Struct):
    """A point on the earth in degrees, written as text: the SDKs declare strings."""

    longitude: Annotated[str, Meta(min_length=1, max_length=50)]
    latitude: Annotated[str, Meta(min_length=1, max_length=50)]
    name: str | None = None
    address: str | None = None


class Template(msgspec.Struct):
    """A template that the receiving channel knows by name."""

    name: Annotated[str, Meta(min_length=1)]
    parameters: list[str] | None = None
    whatsapp: Whatsapp | None = None


class MessageText(_Message, tag="text"):
    """Words."""

    text: Text


class MessageImage(_Message, tag="image"):
    """A picture."""

    image: Link


class MessageAudio(_Message, tag="audio"):
    """A recording."""

    audio: Link


class MessageVideo(_Message, tag="video"):
    """A film."""

    video: Link


class MessageFile(_Message, tag="file"):
    """A file."""

    file: Link


class MessageTemplate(_Message, tag="template"):
    """A template; its ``whatsapp`` part stands beside it or inside it."""

    template: Template

    def __post_init__(self) -> None:
        if self.whatsapp is None and self.template.whatsapp is None:
            raise ValueError("must have whatsapp, beside template or inside it")


class MessageCustom(_Message, tag="custom"):
    """Whatever the application means by it."""

    custom: JsonObject


class MessageVcard(_Message, tag="vcard"):
    """A business card."""

    vcard: Link
    image: Link | None = None


class MessageLocation(_Message, tag="location"):
    """A place."""

    location: Place


class MessageRandom(_Message, tag="random"):
    """Content that the sandbox of a channel chooses by itself."""

    random: Any = None


Message = (
    MessageText
    | MessageImage
    | MessageAudio
    | MessageVideo
    | MessageFile
    | MessageTemplate
    | MessageCustom
    | MessageVcard
    | MessageLocation
    | MessageRandom
)


def _adapt(body: JsonObject) -> JsonObject:
    """Coordinates given as numbers become the strings that the SDKs expect."""
    place = body.get("location")
    if not isinstance(place, dict):
        return body
    numbers = {
        key: str(place[key])
        for key in ("longitude", "latitude")
        if isinstance(place.get(key), (int, float)) and not isinstance(place[key], bool)
    }
    return {**body, "location": {**place, **numbers}} if numbers else body


class RelayedStatus(msgspec.Struct):
    """How a relayed message fared on one channel; the content stands beside these keys."""

    original_event_id: EventId
    message_type: str
    channel_type: Literal["sms", "mms", "whatsapp", "viber", "messenger"]
    from_: str = msgspec.field(name="from")
    to: str
    message_uuid: str | None = None
    error: JsonObject | None = None


MESSAGE: Final = (
    EventType(
        "message",
        Message,
        "A member sent a message of one of ten kinds.",
        {"message_type": "text", "text": "Shall we start at nine?"},
        creators=CALLERS,
        acknowledged=True,
        adapt=_adapt,
        wakes=True,
    ),
    receipt("message:submitted", "A message was handed to a member's channel.", Effect.SUBMITTED, Creator.ADMIN),
    receipt("message:delivered", "A message has reached a member's client or channel.", Effect.DELIVERED),
    receipt("message:seen", "A member has seen a message.", Effect.SEEN),
    receipt("message:rejected", "A member's channel refused a message.", Effect.REJECTED, Creator.ADMIN),
    receipt("message:undeliverable", "A message cannot reach a member.", Effect.UNDELIVERABLE, Creator.ADMIN),
    EventType(
        "member:message:status",
        RelayedStatus,
        "How a message fared that was relayed to a member on another channel.",
        {
            "original_event_id": 12,
            "message_type": "text",
            "channel_type": "sms",
            "from": "447700900101",
            "to": "447700900102",
            "message_uuid": "5d7e2a40-8c1f-4f0f-9a52-6d0c4be2a001",
            "text": "Shall we start at nine?",
        },
    ),
)
