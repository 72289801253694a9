"""The envelope: an event as the log holds it, and the small values it is made of.

An event is written once, as it was made; every tap renders it for its reader (``legato.dialects``).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

JsonObject = dict[str, Any]


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user as an event remembers one: a snapshot of the moment the event was made."""

    id: str
    name: str = ""
    display_name: str | None = None
    image_url: str | None = None
    custom_data: JsonObject | None = None


class Author(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who acted, where that need not be the member the event is about (an invitation, a kick).

    ``user`` and ``member_id`` are both None when the system or an application token acted.
    """

    user: Person | None = None
    member_id: str | None = None


class About(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a receipt, an edit or a deletion is about, so that each dialect can name it in its own words.

    ``dialect`` is that of the client which made the target; ``url`` that of a message's image, because whether it is
    ours decides what a dialect takes the target for.
    """

    type: str
    message_type: str | None = None
    dialect: Literal["chat"] | None = None
    url: str | None = None

    @classmethod
    def of(cls, target: Event) -> About:
        """What there is to know of ``target``, deleted or not."""
        message_type = target.body.get("message_type") if target.type == "message" else None
        image = target.body.get("image") if message_type == "image" else None
        url = image.get("url") if isinstance(image, dict) else None
        return cls(target.type, message_type, target.dialect, url)


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event.

    ``id`` is its place in the conversation's log (1, 2, 3 … without a gap) and None for signals and for what has no
    conversation. ``timestamp`` is ISO 8601 in UTC with milliseconds and ``Z``. ``from_`` is the member
    the event is about, None when an application token made it, ``knocker:<uuid>`` before there is a member.
    ``user`` is the person behind ``from_``; ``author`` is set on ``member:*`` only, and says who acted.
    ``about``, ``dialect`` and ``edits`` are kept in the log and rendered by no tap: the first tells a dialect what the
    target of the event is, the second is ``chat`` when a client of that generation made the event, the third has the
    ids of what edited it.
    Source: Conversation Service OpenAPI (2022), event schemas.
    """

    type: str
    body: JsonObject
    timestamp: str
    application_id: str
    conversation_id: str | None = None
    id: int | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    user: Person | None = None
    author: Author | None = None
    params: JsonObject | None = None
    session_destination: str | None = None
    about: About | None = None
    dialect: Literal["chat"] | None = None
    edits: tuple[int, ...] = ()


encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode
