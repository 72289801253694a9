"""What an application can do and where its webhooks are: the ``capabilities`` object of the Applications API.

What is declared here is checked; what is not is kept as its owner wrote it. A capability that is absent is off.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from legato.events.envelope import JsonObject
from legato.events.refusal import InvalidInput

MAX_ADDRESS: Final = 2_048  # characters; what servers accept as a request line is 8 kB and less
# JSON bytes of one application's capabilities: ten webhooks at their longest are 20 kB.
MAX_CAPABILITIES: Final = 64 * 1024
MAX_DEPTH: Final = 16  # what is documented has four levels

# Without a user and a password, which no request would be made with; the rest is looked at when it is asked.
HTTP_URL: Final = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\x00/?#@]+(?:[/?#][^\s\x00]*)?$"
Address = Annotated[str, Meta(pattern=HTTP_URL, max_length=MAX_ADDRESS)]
Method = Literal["GET", "POST"]
ConnectMs = Annotated[int, Meta(ge=300, le=1_000)]
AnswerMs = Annotated[int, Meta(ge=1_000, le=5_000)]
EventMs = Annotated[int, Meta(ge=1_000, le=10_000)]


class Webhook(Struct, frozen=True, omit_defaults=True):
    """Where to send something."""

    address: Address
    http_method: Method | None = None


class AnswerWebhook(Struct, frozen=True, omit_defaults=True):
    """Where to fetch an NCCO. Timeouts in milliseconds; ``connection_timeout`` is ``connect_timeout``'s older name."""

    address: Address
    http_method: Method | None = None
    connect_timeout: ConnectMs | None = None
    connection_timeout: ConnectMs | None = None
    socket_timeout: AnswerMs | None = None


class EventWebhook(Struct, frozen=True, omit_defaults=True):
    """Where to tell what a call does. Timeouts as for AnswerWebhook."""

    address: Address
    http_method: Method | None = None
    connect_timeout: ConnectMs | None = None
    connection_timeout: ConnectMs | None = None
    socket_timeout: EventMs | None = None


class VoiceWebhooks(Struct, frozen=True, omit_defaults=True):
    """Of two fallbacks ``fallback_url`` wins."""

    answer_url: AnswerWebhook | None = None
    fallback_answer_url: AnswerWebhook | None = None
    fallback_url: AnswerWebhook | None = None
    event_url: EventWebhook | None = None


class Voice(Struct, frozen=True, omit_defaults=True):
    """Calls. ``conversations_ttl`` in hours, ``leg_persistence_time`` in days."""

    webhooks: VoiceWebhooks | None = None
    signed_callbacks: bool | None = None
    conversations_ttl: Annotated[int, Meta(ge=1, le=9_000)] | None = None
    leg_persistence_time: Annotated[int, Meta(ge=1, le=31)] | None = None
    region: Literal["na-east", "na-west", "eu-east", "eu-west", "apac-sng", "apac-australia"] | None = None


class RtcWebhooks(Struct, frozen=True, omit_defaults=True):
    """``event_url`` hears every event of the application's conversations."""

    event_url: Webhook | None = None


class Rtc(Struct, frozen=True, omit_defaults=True):
    """Conversations and client sessions."""

    webhooks: RtcWebhooks | None = None
    signed_callbacks: bool | None = None


class MessagesWebhooks(Struct, frozen=True, omit_defaults=True):
    """Kept for their owner; this server sends nothing to them."""

    inbound_url: Webhook | None = None
    status_url: Webhook | None = None


class Messages(Struct, frozen=True, omit_defaults=True):
    """Kept for its owner."""

    webhooks: MessagesWebhooks | None = None
    version: Literal["v0.1", "v1"] | None = None
    authenticate_inbound_media: bool | None = None


class Capabilities(Struct, frozen=True, omit_defaults=True):
    """All that this server looks at, and the others so that they are objects."""

    voice: Voice | None = None
    rtc: Rtc | None = None
    messages: Messages | None = None
    vbc: JsonObject | None = None
    verify: JsonObject | None = None
    video: JsonObject | None = None
    meetings: JsonObject | None = None
    network_apis: JsonObject | None = None


def cleaned(written: Any, depth: int = MAX_DEPTH) -> Any:
    """``written`` as it is stored and shown: without nulls, and each timeout under its one documented name.

    Raises InvalidInput when objects and arrays are nested deeper than ``depth``.
    """
    if depth < 0:
        raise InvalidInput.of("capabilities", f"must not be nested deeper than {MAX_DEPTH}")
    if isinstance(written, list):
        return [cleaned(item, depth - 1) for item in written]
    if not isinstance(written, dict):
        return written
    found = {name: cleaned(value, depth - 1) for name, value in written.items() if value is not None}
    if "connection_timeout" in found:
        older = found.pop("connection_timeout")
        found.setdefault("connect_timeout", older)
    return found
