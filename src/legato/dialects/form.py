"""The forms an event takes on its way out: the payload for a socket, the webhook, the item of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from legato.events import Event, JsonObject, Person

State = Mapping[str, Mapping[str, str]]
"""The receipts of an event: ``{"delivered_to": {member id: time}, "seen_by": …}``."""


class SocketEvent(msgspec.Struct, frozen=True):
    """What a session is sent: the event's name there, and its one argument as JSON."""

    name: str
    payload: bytes


class MemberId(msgspec.Struct, frozen=True):
    """A member, by its id."""

    id: str


class Embedded(msgspec.Struct, frozen=True):
    """The people of an event, as a client embeds them."""

    from_user: Person | JsonObject | UnsetType = UNSET
    from_member: MemberId | UnsetType = UNSET


class Rendered(msgspec.Struct, frozen=True):
    """An event in the words of one dialect, whatever form it will take. ``embedded`` None means the key is null."""

    name: str
    body: JsonObject
    embedded: Embedded | UnsetType | None = UNSET


class _Payload(msgspec.Struct, frozen=True):
    cid: str
    timestamp: str
    application_id: str
    body: JsonObject
    id: int | UnsetType = UNSET
    from_: str | UnsetType = msgspec.field(default=UNSET, name="from")
    to: str | UnsetType = UNSET
    state: State | UnsetType = UNSET
    embedded: Embedded | UnsetType | None = msgspec.field(default=UNSET, name="_embedded")


class _Webhook(msgspec.Struct, frozen=True):
    type: str
    application_id: str
    timestamp: str
    body: JsonObject
    conversation_id: str | UnsetType = UNSET
    id: int | UnsetType = UNSET
    from_: str | UnsetType | None = msgspec.field(default=UNSET, name="from")
    to: str | UnsetType = UNSET
    params: JsonObject | UnsetType = UNSET
    session_destination: str | UnsetType = UNSET
    embedded: Embedded | UnsetType | None = msgspec.field(default=UNSET, name="_embedded")


_encode = msgspec.json.Encoder().encode


def socket_form(event: Event, rendered: Rendered, state: State | None = None) -> SocketEvent:
    """The packet's name and argument. A key without value is left out, for clients take null for one."""
    payload = _Payload(
        event.conversation_id or "",
        event.timestamp,
        event.application_id,
        rendered.body,
        UNSET if event.id is None else event.id,
        UNSET if event.from_ is None else event.from_,
        UNSET if event.to is None else event.to,
        state or UNSET,
        rendered.embedded,
    )
    return SocketEvent(rendered.name, _encode(payload))


def webhook_form(event: Event, rendered: Rendered) -> bytes:
    """The body of a webhook request. An event of the log always has ``from``, null when no member made it."""
    return _encode(
        _Webhook(
            rendered.name,
            event.application_id,
            event.timestamp,
            rendered.body,
            UNSET if event.conversation_id is None else event.conversation_id,
            UNSET if event.id is None else event.id,
            UNSET if event.from_ is None and event.id is None else event.from_,
            UNSET if event.to is None else event.to,
            UNSET if event.params is None else event.params,
            UNSET if event.session_destination is None else event.session_destination,
            rendered.embedded,
        )
    )


def item_form(event: Event, rendered: Rendered) -> JsonObject:
    """The item of a list of events, without ``state`` and links, as plain values."""
    item: dict[str, Any] = {
        "id": event.id,
        "type": rendered.name,
        "cid": event.conversation_id,
        "conversation_id": event.conversation_id,
        "application_id": event.application_id,
        "from": event.from_,
        "timestamp": event.timestamp,
        "body": rendered.body,
    }
    if event.to is not None:
        item["to"] = event.to
    if event.params is not None:
        item["params"] = event.params
    if rendered.embedded is not UNSET:
        item["_embedded"] = msgspec.to_builtins(rendered.embedded)
    return item


def embed(user: Person | None, member_id: str | None) -> Embedded | UnsetType:
    """The people of an event, if there are any."""
    if user is None:
        return UNSET if member_id is None else Embedded(UNSET, MemberId(member_id))
    # Both clients need a name, also that of a user who is no more.
    person: Person | JsonObject = user if user.name else {"id": user.id, "name": ""}
    return Embedded(person, UNSET if member_id is None else MemberId(member_id))


def as_made(event: Event) -> Rendered:
    """The event untranslated. Of a ``member:*`` event ``from_user`` is the member concerned and ``from_member`` who
    acted, which is the member itself when no other did."""
    if event.conversation_id is None:  # of the application's stream: a knocker is no member, the rest is nobody's
        return Rendered(event.type, event.body)
    actor = event.author.member_id if event.author is not None else None
    return Rendered(event.type, event.body, embed(event.user, actor or event.from_))
