"""The classic dialect: the table over the whole catalogue, for nexmo-client and everything that is like it.

Every event of a log goes to every classic session, for each missing number costs that client a request; so nothing of a
log is skipped here. Almost all of it goes as it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from legato.dialects.dialect import Manner
from legato.dialects.form import Rendered, as_made, embed
from legato.events import CATALOGUE, About, Event, JsonObject

Rule = Callable[[Event, Manner], Rendered | None]


def classic(event: Event, manner: Manner) -> Rendered | None:
    """``event`` in the classic dialect; None for what happens outside conversations."""
    rule = CLASSIC.get(event.type)
    if rule is None:
        entry = CATALOGUE.get(event.type)
        rule = _as_made if entry is None else CLASSIC[entry.name]
    return rule(event, manner)


def _as_made(event: Event, manner: Manner) -> Rendered | None:
    return as_made(event)


def _skip(event: Event, manner: Manner) -> Rendered | None:
    return None


def _of_conversation(event: Event, manner: Manner) -> Rendered | None:
    """Types that knockers have too: theirs have no conversation, and nexmo-client drops what has none."""
    return _as_made(event, manner) if event.conversation_id else None


def _invited(event: Event, manner: Manner) -> Rendered | None:
    """``invited_by`` is the inviter's name or null; with audio there is no ``from_user``.

    Only so do both ends of an in-app call come out right in nexmo-client: the callee finds the caller by name, and the
    caller does not take its own invitation for a call.
    """
    body = event.body
    inviter = event.author.user if event.author else None
    named = inviter.name if inviter is not None else body.get("invited_by")
    body = {**body, "invited_by": named}
    actor = (event.author.member_id if event.author else None) or event.from_
    return Rendered(event.type, body, embed(None if _has_audio(body) else event.user, actor))


def _has_audio(body: JsonObject) -> bool:
    """Whether an invitation is one to a call."""
    media = body.get("media")
    settings = media.get("audio_settings") if isinstance(media, dict) else None
    return isinstance(settings, dict) and settings.get("enabled") is True


def _message(event: Event, manner: Manner) -> Rendered | None:
    """A chat client's text is a ``text``, its image an ``image`` if it is one of ours; the rest stays a message."""
    kind = _kind(About.of(event), manner)
    people = embed(event.user, event.from_)
    if kind == "text":
        return Rendered("text", {key: event.body[key] for key in event.body if key != "message_type"}, people)
    if kind == "image":
        return Rendered("image", {"representations": _representations(event.body["image"]["url"])}, people)
    return Rendered(event.type, event.body, people)


def _representations(url: str) -> JsonObject:
    """One picture in the place of three sizes."""
    one = {"id": url.rpartition("/")[2], "url": url}
    return {"id": one["id"], "original": one, "medium": one, "thumbnail": one}


def _receipt(event: Event, manner: Manner) -> Rendered | None:
    """A receipt is named after what its target is here."""
    if event.about is None:
        return _as_made(event, manner)
    name = f"{_kind(event.about, manner)}:{event.type.partition(':')[2]}"
    return Rendered(name, event.body, embed(event.user, event.from_))


def _kind(about: About, manner: Manner) -> str:
    """What classic clients take an event for: ``text``, ``image``, ``message`` or (any other) ``event``."""
    if about.type in ("text", "image"):
        return about.type
    if about.type != "message":
        return "event"
    if about.dialect == "chat":
        if about.message_type == "text" and manner.message_as_text:
            return "text"
        # nexmo-client takes any URL with `image` in it for an upload.
        if about.url and "image" not in about.url and manner.is_own_media_url(about.url):
            return "image"
    return "message"


_AS_MADE = (
    "audio:asr:done",
    "audio:asr:record:done",
    "audio:dtmf",
    "audio:earmuff:off",
    "audio:earmuff:on",
    "audio:mute:off",
    "audio:mute:on",
    "audio:play",
    "audio:play:done",
    "audio:play:stop",
    "audio:record",
    "audio:record:done",
    "audio:record:stop",
    "audio:ringing:start",
    "audio:ringing:stop",
    "audio:say",
    "audio:say:done",
    "audio:say:stop",
    "audio:speaking:off",
    "audio:speaking:on",
    "audio:transcribe:done",
    "conversation:updated",
    "custom:*",
    "ephemeral",
    "event:delete",
    "image",
    "member:joined",
    "member:left",
    "member:media",
    "member:message:status",
    "message:rejected",
    "message:submitted",
    "message:undeliverable",
    "rtc:answer",
    "rtc:answered",
    "rtc:hangup",
    "rtc:offer",
    "rtc:ringing",
    "rtc:status",
    "rtc:terminate",
    "rtc:transfer",
    "sip:amd_machine",
    "sip:answered",
    "sip:machine",
    "text",
    "text:typing:off",
    "text:typing:on",
    "text:update",
)
_RECEIPTS = (
    "event:delivered",
    "event:seen",
    "image:delivered",
    "image:seen",
    "message:delivered",
    "message:seen",
    "text:delivered",
    "text:seen",
)
_KNOCKERS_TOO = ("leg:status:update", "sip:hangup", "sip:ringing", "sip:status")
_OF_THE_APPLICATION = (
    "app:knocking",
    "app:knocking:cancel",
    "app:push",
    "conversation:created",
    "conversation:deleted",
)

CLASSIC: Final[dict[str, Rule]] = {
    **dict.fromkeys(_AS_MADE, _as_made),
    **dict.fromkeys(_RECEIPTS, _receipt),
    **dict.fromkeys(_KNOCKERS_TOO, _of_conversation),
    **dict.fromkeys(_OF_THE_APPLICATION, _skip),
    "member:invited": _invited,
    "message": _message,
}
