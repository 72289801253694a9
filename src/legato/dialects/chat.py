"""The chat dialect: the table over the whole catalogue, for `@vonage/client-sdk`.

That client decodes strictly: one field that is missing or of another type, and it drops the event, or the whole page
of history. So a body is put together here from what the client knows, and nothing else of it is sent. Types that it
ignores are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import UNSET, UnsetType

from legato.dialects.content import message_content
from legato.dialects.dialect import Manner
from legato.dialects.form import Embedded, Rendered, embed
from legato.dialects.strict import audio_settings, channel, integer, number, object_of, some, strings, times, user, word
from legato.events import CATALOGUE, Event, JsonObject

Rule = Callable[[Event, Manner], Rendered | None]


def chat(event: Event, manner: Manner) -> Rendered | None:
    """``event`` in the chat dialect; None for what that client ignores or cannot decode."""
    if event.conversation_id is None:
        return None
    rule = CHAT.get(event.type)
    if rule is None:
        entry = CATALOGUE.get(event.type)
        if entry is None:
            return None
        rule = CHAT[entry.name]
    return rule(event, manner)


def _skip(event: Event, manner: Manner) -> Rendered | None:
    return None


def _rendered(event: Event, body: JsonObject, name: str | None = None) -> Rendered:
    return Rendered(name or event.type, body, embed(event.user, event.from_))


def _free(event: Event, manner: Manner) -> Rendered | None:
    """A body that the client hands through, which is an object already."""
    return _rendered(event, event.body)


def _text(event: Event, manner: Manner) -> Rendered | None:
    return _rendered(
        event, _with_times(event, {"message_type": "text", "text": word(event.body.get("text"))}), "message"
    )


def _image(event: Event, manner: Manner) -> Rendered | None:
    """The client fetches without a token, so a picture of ours goes by a signed URL."""
    url = word(object_of(object_of(event.body.get("representations")).get("original")).get("url"))
    if url and manner.is_own_media_url(url):
        url = manner.sign_media_url(url, event.application_id)
    return _rendered(event, _with_times(event, {"message_type": "image", "image": {"url": url}}), "message")


def _message(event: Event, manner: Manner) -> Rendered | None:
    return _rendered(event, _with_times(event, message_content(event.body)))


def _with_times(event: Event, body: JsonObject) -> JsonObject:
    """A deleted message still has (empty) content, and says when it was deleted."""
    told = times(event.body.get("timestamp"), ("created", "updated", "deleted"))
    return {**body, "timestamp": told} if told else body


def _receipt(event: Event, manner: Manner) -> Rendered | None:
    """To this client every text, image and message is a message; receipts of anything else mean nothing to it."""
    prefix, _, what = event.type.partition(":")
    target = event.about.type if event.about else prefix
    return _reference(event, f"message:{what}") if target in ("text", "image", "message") else None


def _reference(event: Event, name: str) -> Rendered:
    return _rendered(event, {"event_id": integer(event.body.get("event_id"))}, name)


def _delete(event: Event, manner: Manner) -> Rendered | None:
    return _reference(event, event.type)


def _invited(event: Event, manner: Manner) -> Rendered | None:
    body = event.body
    conversation = object_of(body.get("conversation"))
    told = {
        **_member(event),
        "conversation": {
            "conversation_id": event.conversation_id,
            "name": word(conversation.get("name") or body.get("cname")),
            **strings(conversation, ("display_name",)),
        },
        "media": {"audio_settings": audio_settings(object_of(body.get("media")).get("audio_settings"))},
        **strings(body, ("invited_by", "sdp")),
    }
    return Rendered(event.type, told, _actor(event))


def _joined(event: Event, manner: Manner) -> Rendered | None:
    return Rendered(event.type, _member(event), _actor(event))


def _left(event: Event, manner: Manner) -> Rendered | None:
    body = _member(event)
    reason = event.body.get("reason")
    if isinstance(reason, dict):
        body["reason"] = strings(reason, ("code", "text"))
    return Rendered(event.type, body, _actor(event))


def _member(event: Event) -> JsonObject:
    body = event.body
    told: JsonObject = {
        "member_id": word(body.get("member_id") or event.from_),
        "user": user(body.get("user"), event.user),
        "channel": channel(body.get("channel")),
    }
    when = times(body.get("timestamp"), ("invited", "joined", "left"))
    return {**told, "timestamp": when} if when else told


def _actor(event: Event) -> Embedded | UnsetType:
    """Both people are who acted; neither is there when the system did, which is how the client knows."""
    author = event.author
    if author is None:
        return embed(event.user, event.from_)
    return embed(author.user, author.member_id) if author.user else UNSET


def _media(event: Event, manner: Manner) -> Rendered | None:
    """The key ``_embedded`` must be there, if only with null."""
    body: JsonObject = {"channel": channel(event.body.get("channel"))}
    settings = audio_settings(object_of(event.body.get("media")).get("audio_settings"))
    audio = event.body.get("audio") is True
    told = {**body, "audio": audio, "media": {"audio_settings": settings, "audio": audio}}
    people = embed(event.user, event.from_)
    return Rendered(event.type, told, None if people is UNSET else people)


def _leg_status(event: Event, manner: Manner) -> Rendered | None:
    """The client throws on any other status than these three."""
    body = event.body
    if body.get("status") not in ("ringing", "answered", "completed"):
        return None
    history = [each for each in some(body.get("statusHistory"), list) or [] if isinstance(each, dict)]
    told = {
        "leg_id": word(body.get("leg_id")),
        "type": word(body.get("type")),
        "status": body["status"],
        "direction": word(body.get("direction")),
        "statusHistory": [{key: word(each.get(key)) for key in ("status", "date")} for each in history],
    }
    return _rendered(event, told)


def _on_leg(event: Event, manner: Manner) -> Rendered | None:
    return _rendered(event, {"rtc_id": word(event.body.get("rtc_id"))})


def _dtmf(event: Event, manner: Manner) -> Rendered | None:
    body = event.body
    told = {
        "digit": word(body.get("digit") or body.get("digits")),
        "channel": strings(object_of(body.get("channel")), ("id", "type")),
    }
    return _rendered(event, told)


def _say(event: Event, manner: Manner) -> Rendered | None:
    """``level`` is an integer to this client."""
    body = event.body
    told = {
        **{key: word(body.get(key)) for key in ("say_id", "text")},
        "level": int(number(body.get("level"), 1)),
        "loop": integer(body.get("loop"), 1),
    }
    return _rendered(event, told)


def _say_done(event: Event, manner: Manner) -> Rendered | None:
    return _rendered(event, {"say_id": word(event.body.get("say_id"))})


def _answer(event: Event, manner: Manner) -> Rendered | None:
    return _rendered(event, {key: word(event.body.get(key)) for key in ("rtc_id", "answer")})


_FIGURES = (
    "mos_score",
    "quality_percentage",
    "jitter_min_var",
    "jitter_max_var",
    "jitter_loss_rate",
    "jitter_burst_rate",
    "packet_loss_perc",
)


def _hangup(event: Event, manner: Manner) -> Rendered | None:
    body = event.body
    quality, bandwidth, reason = (object_of(body.get(key)) for key in ("quality", "bandwidth", "reason"))
    told = {
        "direction": word(body.get("direction")),
        "channel": channel(body.get("channel")),
        "bandwidth": {key: integer(bandwidth.get(key)) for key in ("bytes_in", "bytes_out")},
        "quality": {
            **{key: number(quality.get(key)) for key in _FIGURES},
            **{key: integer(quality.get(key)) for key in ("flaw_total", "packet_cnt")},
        },
        "reason": {
            "code": word(reason.get("code")),
            "text": word(reason.get("text")),
            "sip_code": integer(reason.get("sip_code")),
        },
    }
    return _rendered(event, told)


def _transfer(event: Event, manner: Manner) -> Rendered | None:
    body = event.body
    told = {key: word(body.get(key)) for key in ("was_member", "user_id", "transferred_from")}
    return _rendered(event, {**told, "channel": channel(body.get("channel"))})


_IGNORED = (
    "app:knocking",
    "app:knocking:cancel",
    "app:push",
    "audio:asr:done",
    "audio:asr:record:done",
    "audio:play",
    "audio:play:done",
    "audio:play:stop",
    "audio:record",
    "audio:record:done",
    "audio:record:stop",
    "audio:ringing:start",
    "audio:ringing:stop",
    "audio:say:stop",
    "audio:speaking:off",
    "audio:speaking:on",
    "audio:transcribe:done",
    "conversation:created",
    "conversation:deleted",
    "conversation:updated",
    "member:message:status",
    "rtc:answered",
    "rtc:offer",
    "rtc:ringing",
    "rtc:status",
    "rtc:terminate",
    "sip:amd_machine",
    "sip:answered",
    "sip:hangup",
    "sip:machine",
    "sip:ringing",
    "sip:status",
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
    "message:rejected",
    "message:seen",
    "message:submitted",
    "message:undeliverable",
    "text:delivered",
    "text:seen",
)
_ON_LEG = ("audio:earmuff:off", "audio:earmuff:on", "audio:mute:off", "audio:mute:on")

CHAT: Final[dict[str, Rule]] = {
    **dict.fromkeys(_IGNORED, _skip),
    **dict.fromkeys(_RECEIPTS, _receipt),
    **dict.fromkeys(_ON_LEG, _on_leg),
    "audio:dtmf": _dtmf,
    "audio:say": _say,
    "audio:say:done": _say_done,
    "custom:*": _free,
    "ephemeral": _free,
    "event:delete": _delete,
    "image": _image,
    "leg:status:update": _leg_status,
    "member:invited": _invited,
    "member:joined": _joined,
    "member:left": _left,
    "member:media": _media,
    "message": _message,
    "rtc:answer": _answer,
    "rtc:hangup": _hangup,
    "rtc:transfer": _transfer,
    "text": _text,
}
