"""``audio:*``: what is played, said, recorded, heard and silenced in a call."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from legato.events.catalogue import CALLERS, Creator, Effect, EventType, Performer
from legato.events.envelope import JsonObject
from legato.events.shapes import Channel, EventId, Nothing, OnChannel, Url

_Level = Annotated[float, Meta(ge=-1, le=1, description="Loudness, from -1 to 1; 0 changes nothing.")]
_Loop = Annotated[int, Meta(ge=0, description="How often; 0 without end.")]
# nexmo-client sends up to 45 keys in one event.
_Digits = Annotated[str, Meta(pattern="^[0-9a-dA-D#*pP]+$", max_length=45)]
_Format = Literal["mp3", "wav", "vorbis"]


class Play(msgspec.Struct):
    """Audio files to stream, one after the other; ``queue`` waits for what plays already. The server adds the id."""

    stream_url: Annotated[list[Url], Meta(min_length=1, max_length=100)]
    level: _Level | None = None
    loop: _Loop | None = None
    queue: bool | None = None
    play_id: str | UnsetType = UNSET


class PlayStop(msgspec.Struct):
    """Which playing ends."""

    play_id: str


class PlayDone(msgspec.Struct):
    """Which playing ended, and why it failed if it did."""

    play_id: str
    error: str | None = None
    channel: Channel | None = None


class Say(msgspec.Struct):
    """Words to speak; the server adds the id."""

    text: Annotated[str, Meta(min_length=1)]
    level: _Level | None = None
    loop: _Loop | None = None
    queue: bool | None = None
    voice_name: str | None = None
    language: Annotated[str, Meta(max_length=35)] | None = None
    style: int | None = None
    premium: bool | None = None
    ssml: bool | None = None
    say_id: str | UnsetType = UNSET


class SayStop(msgspec.Struct):
    """Which speech ends."""

    say_id: str


class SayDone(msgspec.Struct):
    """Which speech ended, and why it failed if it did."""

    say_id: str
    error: str | None = None
    channel: Channel | None = None


class Dtmf(msgspec.Struct):
    """Keys that were pressed; ``duration`` in milliseconds, ``method`` is ``in`` when a leg heard the tone."""

    digit: _Digits | UnsetType = UNSET
    digits: _Digits | UnsetType = UNSET
    channel: JsonObject | None = None
    dtmf_seq: int | None = None
    dtmf_id: str | None = None
    method: str | None = None
    duration: Annotated[int, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        if self.digit is UNSET and self.digits is UNSET:
            raise ValueError("must have digit or digits")


class OnLeg(msgspec.Struct):
    """Which leg; the server fills it in from the member when a caller leaves it out."""

    rtc_id: str | UnsetType = UNSET


class Transcription(msgspec.Struct):
    """What to make of the words in a recording."""

    language: str
    sentiment_analysis: bool | None = None


class Record(msgspec.Struct):
    """How to record; ``validity`` in minutes. The server adds the id."""

    format: _Format | None = None
    validity: Annotated[int, Meta(ge=1)] | None = None
    streamed: bool | None = None
    beep_start: bool | None = None
    beep_stop: bool | None = None
    detect_speech: bool | None = None
    split: bool | None = None
    multitrack: bool | None = None
    channels: Annotated[int, Meta(ge=1, le=32)] | None = None
    transcription: Transcription | None = None
    recording_id: str | UnsetType = UNSET


class RecordStop(msgspec.Struct):
    """Which recording ends: its ``recording_id``, here under another name."""

    record_id: str


class RecordDone(msgspec.Struct):
    """Where the file is; ``size`` in bytes."""

    recording_id: str
    destination_url: Url
    format: _Format
    start_time: str
    end_time: str
    size: Annotated[int, Meta(ge=0)]
    event_id: EventId | UnsetType = UNSET
    channel: Channel | None = None


class TranscribeDone(msgspec.Struct):
    """Where the transcript is."""

    request_id: str
    recording_id: str
    transcription_url: Url | None = None
    error: str | None = None
    channel: Channel | None = None


class Heard(msgspec.Struct):
    """One reading of what was said, and how sure of it the recogniser is, from 0 to 1."""

    word: str
    confidence: Annotated[float, Meta(ge=0, le=1)]


class Recognition(msgspec.Struct):
    """What a session of speech recognition heard, and what ended it."""

    asr_id: str
    call_id: str
    results: list[Heard] | None = None
    error: str | None = None
    timeout_reason: Literal["end_on_silence_timeout", "max_duration", "start_timeout"] | None = None


class AsrDone(msgspec.Struct):
    """What was said on a leg."""

    channel: Channel
    asr: Recognition


class Utterance(msgspec.Struct):
    """Where the recording of what was said is; ``size`` in bytes."""

    asr_id: str
    call_id: str
    destination_url: Url
    format: Literal["mp3", "wav"]
    start_time: str
    end_time: str
    size: Annotated[int, Meta(ge=0)]
    media_service_uuid: str
    error: str | None = None


class AsrRecordDone(msgspec.Struct):
    """The sound of what was said on a leg."""

    channel: Channel
    asr: Utterance


def _renamed(old: str, new: str) -> Any:
    """An ``adapt`` that accepts the key ``new`` under another client's spelling of it."""

    def adapt(body: JsonObject) -> JsonObject:
        if old not in body or new in body:
            return body
        return {new if key == old else key: value for key, value in body.items()}

    return adapt


_CALLERS = CALLERS | Creator.SERVER  # the server, too, when it plays, speaks or mutes by itself
_LEG = "1f6a9b04-52d3-4f8e-a1c7-0e8b7d2fa001"
_PLAY = "a4d0c9b2-7e11-4c35-9d6f-5b8e3f10a001"
_SAY = "a4d0c9b2-7e11-4c35-9d6f-5b8e3f10a002"
_RECORDING = "a4d0c9b2-7e11-4c35-9d6f-5b8e3f10a003"
_ASR = "a4d0c9b2-7e11-4c35-9d6f-5b8e3f10a004"
_FILE = "https://api.example/v1/files/a4d0c9b2-7e11-4c35-9d6f-5b8e3f10a005"
_SPAN = {"start_time": "2026-03-04T09:05:00.000Z", "end_time": "2026-03-04T09:06:00.000Z"}
_CHANNEL = {
    "id": _LEG,
    "type": "phone",
    "to": {"type": "phone", "number": "447700900102"},
    "from": {"type": "phone", "number": "447700900101"},
}


def _entry(name: str, body: type[msgspec.Struct], summary: str, example: JsonObject, **more: Any) -> EventType:
    return EventType(f"audio:{name}", body, summary, example, performer=Performer.CALLS, **more)


AUDIO: Final = (
    _entry(
        "play",
        Play,
        "Audio files start to play, to everybody or to the member in `to`.",
        {"stream_url": ["https://files.example/welcome.mp3"], "level": 0, "loop": 1, "queue": False, "play_id": _PLAY},
        creators=_CALLERS,
        adapt=_renamed("streamUrl", "stream_url"),
    ),
    _entry("play:stop", PlayStop, "Playing is to stop.", {"play_id": _PLAY}, creators=_CALLERS),
    _entry("play:done", PlayDone, "Playing ended, was stopped, or failed.", {"play_id": _PLAY, "error": None}),
    _entry(
        "say",
        Say,
        "Words are spoken, to everybody or to the member in `to`.",
        {"text": "Welcome.", "level": 1, "loop": 1, "queue": True, "ssml": False, "say_id": _SAY},
        creators=_CALLERS,
    ),
    _entry("say:stop", SayStop, "Speech is to stop.", {"say_id": _SAY}, creators=_CALLERS),
    _entry(
        "say:done",
        SayDone,
        "Speech ended, was stopped, or failed.",
        {"say_id": _SAY, "error": None},
        creators=Creator.SERVER | Creator.ADMIN,
    ),
    _entry(
        "dtmf",
        Dtmf,
        "A key was pressed: a leg heard its tone, or a client sent it for the other legs to hear.",
        {"digit": "5", "method": "in", "duration": 180, "dtmf_seq": 1, "channel": _CHANNEL},
        creators=_CALLERS,
    ),
    _entry(
        "mute:on",
        OnLeg,
        "The member in `to` is no longer heard.",
        {"rtc_id": _LEG},
        creators=_CALLERS,
        effect=Effect.MEDIA,
    ),
    _entry(
        "mute:off",
        OnLeg,
        "The member in `to` is heard again.",
        {"rtc_id": _LEG},
        creators=_CALLERS,
        effect=Effect.MEDIA,
    ),
    _entry(
        "earmuff:on",
        OnLeg,
        "The member it is from no longer hears the conversation.",
        {"rtc_id": _LEG},
        creators=_CALLERS,
        effect=Effect.MEDIA,
    ),
    _entry(
        "earmuff:off",
        OnLeg,
        "The member it is from hears the conversation again.",
        {"rtc_id": _LEG},
        creators=_CALLERS,
        effect=Effect.MEDIA,
    ),
    _entry("ringing:start", Nothing, "A ringing tone starts for the other legs.", {}, creators=_CALLERS),
    _entry("ringing:stop", Nothing, "The ringing tone stops.", {}, creators=_CALLERS),
    _entry(
        "record",
        Record,
        "Recording starts, of the conversation or of the member in `to`.",
        {"format": "mp3", "streamed": True, "split": False, "beep_start": True, "recording_id": _RECORDING},
        creators=_CALLERS,
        adapt=_renamed("mulitrack", "multitrack"),
    ),
    _entry("record:stop", RecordStop, "Recording is to stop.", {"record_id": _RECORDING}, creators=_CALLERS),
    _entry(
        "record:done",
        RecordDone,
        "A recording ended and its file is stored.",
        {"recording_id": _RECORDING, "destination_url": _FILE, "format": "mp3", **_SPAN, "size": 480_000},
    ),
    _entry(
        "transcribe:done",
        TranscribeDone,
        "The words of a recording are written down.",
        {
            "request_id": "a4d0c9b2-7e11-4c35-9d6f-5b8e3f10a006",
            "recording_id": _RECORDING,
            "transcription_url": _FILE,
            "error": None,
        },
    ),
    _entry(
        "asr:done",
        AsrDone,
        "A session of speech recognition ended.",
        {
            "channel": _CHANNEL,
            "asr": {
                "asr_id": _ASR,
                "call_id": _LEG,
                "results": [{"word": "support", "confidence": 0.91}],
                "error": None,
                "timeout_reason": "end_on_silence_timeout",
            },
        },
    ),
    _entry(
        "asr:record:done",
        AsrRecordDone,
        "The sound of what speech recognition heard is stored.",
        {
            "channel": _CHANNEL,
            "asr": {
                "asr_id": _ASR,
                "call_id": _LEG,
                "destination_url": _FILE,
                "format": "wav",
                **_SPAN,
                "size": 96_044,
                "media_service_uuid": "a4d0c9b2-7e11-4c35-9d6f-5b8e3f10a005",
                "error": None,
            },
        },
    ),
    _entry("speaking:on", OnChannel, "The member it is from has begun to speak.", {"channel": _CHANNEL}),
    _entry("speaking:off", OnChannel, "The member it is from has stopped speaking.", {"channel": _CHANNEL}),
)
