"""Writes event-examples.json: a whole webhook payload for every event type, put together from the platform's schemas.

Made by hand from the documentation, not from the catalogue, so that the two can be compared. All values are invented.
Run it in this directory: ``python make_event_examples.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

AT = [f"2026-05-06T10:00:{second:02d}.000Z" for second in range(60)]
END = "2026-05-06T10:01:30.000Z"


def made(prefix: str, number: int) -> str:
    return f"{prefix}{number:08x}-1111-4222-8333-444455556666"


ROOM, OLD_ROOM = made("CON-", 1), made("CON-", 2)
MIA, NOAH, GONE = made("MEM-", 3), made("MEM-", 4), made("MEM-", 5)
USERS = {
    MIA: {"id": made("USR-", 6), "name": "mia", "display_name": "Mia"},
    NOAH: {"id": made("USR-", 7), "name": "noah", "display_name": "Noah"},
}
APPLICATION, KNOCKER, SESSION = made("", 8), made("", 9), made("SES-", 10)
PHONE_LEG, APP_LEG = made("", 11), made("", 12)
PHONE = {
    "id": PHONE_LEG,
    "type": "phone",
    "to": {"type": "phone", "number": "15550100002"},
    "from": {"type": "phone", "number": "15550100001"},
    "headers": {},
}
APP = {
    "id": APP_LEG,
    "type": "app",
    "to": {"type": "app", "user": "noah"},
    "from": {"type": "app", "user": "mia"},
    "headers": {},
}
PLAY, SAY, RECORDING, ASR, FILE = (made("", number) for number in range(13, 18))
FILE_URL = f"https://files.example/v1/files/{FILE}"
SOUND = {"audio_settings": {"enabled": True, "earmuffed": False, "muted": False}, "audio": True}
QUALITY = {
    "mos_score": 4.2,
    "quality_percentage": 97,
    "jitter_min_var": 0,
    "jitter_max_var": 3.5,
    "jitter_loss_rate": 0,
    "jitter_burst_rate": 0,
    "flaw_total": 1,
    "packet_cnt": 4500,
    "packet_loss_perc": 0.1,
}
ENDED = {"quality": QUALITY, "bandwidth": {"bytes_in": 720000, "bytes_out": 719840}}


def picture(number: int, size: int) -> dict[str, Any]:
    media = made("", number)
    return {"id": media, "url": f"https://files.example/v3/media/{media}", "type": "image/png", "size": size}


class Writer:
    """Numbers the events of one conversation as they are written down."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.last = 0

    def outside(self, kind: str, body: dict[str, Any], **more: Any) -> None:
        """An event of no conversation."""
        self.events.append({"type": kind, "body": body, "application_id": APPLICATION, "timestamp": AT[5], **more})

    def knocker(self, kind: str, body: dict[str, Any]) -> None:
        self.outside(kind, body, **{"from": f"knocker:{KNOCKER}"})

    def signal(self, kind: str, body: dict[str, Any], **more: Any) -> None:
        """An event that is not kept."""
        self.outside(kind, body, conversation_id=ROOM, **more)

    def kept(self, kind: str, body: dict[str, Any], by: str | None = MIA, **more: Any) -> int:
        """An event of the log, from a member or (None) from the application."""
        self.last += 1
        self.signal(kind, body, id=self.last, **people(by), **more)
        return self.last


def people(member: str | None) -> dict[str, Any]:
    if member is None:
        return {"from": None}
    return {"from": member, "_embedded": {"from_user": USERS[member], "from_member": {"id": member}}}


def calls(write: Writer) -> None:
    """Knocking, legs, and what is heard in a call."""
    caller = {"id": USERS[MIA]["id"]}
    write.knocker("app:knocking", {"user": caller, "channel": {**PHONE, "legs": [], "leg_ids": []}})
    write.knocker(
        "app:knocking:cancel",
        {
            "user": caller,
            "reason": {"code": "487", "text": "cancelled"},
            "timestamp": {"created": AT[0], "left": AT[5]},
        },
    )
    moment = {"member_id": MIA, "conversation_id": ROOM}
    leg = {"leg_id": PHONE_LEG, "type": "phone", "status": "ringing"}
    history = [{"status": "started", "date": AT[0], **moment}, {"status": "ringing", "date": AT[1], **moment}]
    write.kept("leg:status:update", {**leg, "direction": "outbound", "statusHistory": history})
    write.knocker(
        "leg:status:update",
        {
            **leg,
            "direction": "inbound",
            "statusHistory": [{"status": "ringing", "date": AT[0], "knocker_id": KNOCKER}],
        },
    )
    play = {"stream_url": ["https://files.example/a.mp3"], "level": 0, "loop": 1, "queue": False, "play_id": PLAY}
    write.kept("audio:play", play, None)
    write.kept("audio:play:stop", {"play_id": PLAY}, None)
    write.kept("audio:play:done", {"play_id": PLAY, "error": None}, None)
    write.kept("audio:play:done", {"play_id": PLAY, "error": None, "channel": PHONE})
    write.kept(
        "audio:say",
        {"text": "Hello", "level": 1, "loop": 1, "queue": True, "voice_name": "Amy", "ssml": False, "say_id": SAY},
        None,
    )
    write.kept("audio:say:stop", {"say_id": SAY}, None)
    write.kept("audio:say:done", {"say_id": SAY, "error": None, "channel": PHONE})
    write.kept("audio:dtmf", {"digit": "7", "method": "in", "duration": 240, "dtmf_seq": 1, "channel": PHONE})
    for what in ("on", "off"):
        write.kept(f"audio:mute:{what}", {"rtc_id": APP_LEG}, to=NOAH)
        write.kept(f"audio:earmuff:{what}", {"rtc_id": APP_LEG}, NOAH)
        write.kept(f"audio:speaking:{what}", {"channel": PHONE})
    write.kept("audio:ringing:start", {})
    write.kept("audio:ringing:stop", {})
    recording = write.kept(
        "audio:record",
        {"format": "mp3", "streamed": True, "split": False, "beep_start": True, "recording_id": RECORDING},
        None,
    )
    write.kept("audio:record:stop", {"record_id": RECORDING}, None)
    span = {"start_time": AT[0], "end_time": END}
    write.kept(
        "audio:record:done",
        {
            "event_id": recording,
            "recording_id": RECORDING,
            "destination_url": FILE_URL,
            "format": "mp3",
            "size": 96000,
            **span,
        },
        None,
    )
    write.kept(
        "audio:transcribe:done",
        {"request_id": ASR, "recording_id": RECORDING, "transcription_url": FILE_URL, "error": None},
        None,
    )
    asr = {"asr_id": ASR, "call_id": PHONE_LEG, "error": None}
    heard = {"results": [{"word": "billing", "confidence": 0.88}], "timeout_reason": "max_duration"}
    write.kept("audio:asr:done", {"channel": PHONE, "asr": {**asr, **heard}})
    stored = {"destination_url": FILE_URL, "format": "wav", "size": 48044, "media_service_uuid": FILE, **span}
    write.kept("audio:asr:record:done", {"channel": PHONE, "asr": {**asr, **stored}})


def legs(write: Writer) -> None:
    """Apps' legs and telephones'."""
    write.kept("rtc:ringing", {"direction": "inbound", "channel": APP}, NOAH)
    write.kept("rtc:answered", {"direction": "inbound", "channel": APP}, NOAH)
    reason = {"code": "REMOTE_HANGUP", "text": "completed", "sip_code": 200}
    write.kept("rtc:hangup", {"direction": "outbound", **ENDED, "channel": APP, "reason": reason}, NOAH)
    account = {"duration": "85", "start_time": AT[5], "end_time": END, "price": "0"}
    write.kept("rtc:status", {**account, "mos": 4.2, "price_currency": "EUR", "channel": APP}, NOAH)
    write.kept(
        "rtc:transfer",
        {"was_member": GONE, "user_id": USERS[NOAH]["id"], "transferred_from": OLD_ROOM, "channel": APP},
        NOAH,
    )
    write.signal("rtc:terminate", {"member_id": NOAH, "rtc_id": APP_LEG}, session_destination=SESSION)
    offer = {"sdp": "v=0", "leg_id": APP_LEG, "member_leg_id": APP_LEG, "member_id": NOAH, "name": "noah"}
    write.signal("rtc:offer", offer, session_destination=SESSION)
    write.signal("rtc:answer", {"answer": "v=0", "rtc_id": APP_LEG}, session_destination=SESSION, isFromMB=False)
    write.kept("sip:ringing", {"direction": "outbound", "channel": PHONE})
    write.knocker("sip:ringing", {"direction": "inbound", "channel": PHONE})
    write.kept("sip:answered", {"direction": "outbound", "channel": PHONE})
    write.kept("sip:machine", {"type": "machine", "confidence": 90, "channel": PHONE})
    write.kept("sip:amd_machine", {"type": "machine", "confidence": 94, "channel": PHONE})
    reason = {"code": "17", "text": "busy", "sip_code": 486}
    write.kept("sip:hangup", {"direction": "outbound", **ENDED, "channel": PHONE, "reason": reason})
    numbers = {"to": "15550100002", "from": "15550100001"}
    status = {"rate": "0", "channel": PHONE, "request_time": AT[0], "status": "completed", "direction": "out"}
    write.kept("sip:status", {**account, **numbers, **status})


def chat(write: Writer) -> None:
    """What people write to each other."""
    text = write.kept("text", {"text": "good morning"})
    write.kept("text:delivered", {"event_id": text}, NOAH)
    write.kept("text:seen", {"event_id": text}, NOAH)
    write.kept("text:update", {"text": "good morning, all", "original_event_id": text})
    write.signal("text:typing:on", {"activity": 1}, **people(NOAH))
    write.signal("text:typing:off", {"activity": 0}, **people(NOAH))
    sizes = {"original": picture(21, 90000), "medium": picture(22, 30000), "thumbnail": picture(23, 9000)}
    image = write.kept("image", {"representations": {"id": made("", 20), **sizes}})
    write.kept("image:delivered", {"event_id": image}, NOAH)
    write.kept("image:seen", {"event_id": image}, NOAH)
    first = write.kept("message", {"message_type": "text", "text": "good morning"})
    for kind, suffix in (("image", "png"), ("audio", "mp3"), ("video", "mp4"), ("file", "pdf"), ("vcard", "vcf")):
        write.kept("message", {"message_type": kind, kind: {"url": f"https://files.example/a.{suffix}"}})
    write.kept("message", {"message_type": "custom", "custom": {"colour": "blue"}})
    write.kept("message", {"message_type": "location", "location": {"longitude": "4.9", "latitude": "52.4"}})
    template = {"name": "reminder", "parameters": ["Mia"]}
    whatsapp = {"policy": "deterministic", "locale": "en"}
    write.kept("message", {"message_type": "template", "template": template, "whatsapp": whatsapp})
    write.kept("message", {"message_type": "random"})
    for what in ("submitted", "delivered", "seen", "rejected", "undeliverable"):
        write.kept(f"message:{what}", {"event_id": first}, NOAH)
    relayed = {"original_event_id": first, "message_type": "text", "channel_type": "sms", "text": "good morning"}
    ends = {"from": "15550100001", "to": "15550100002", "message_uuid": made("", 24)}
    write.kept("member:message:status", {**relayed, **ends}, NOAH)
    write.kept("custom:ticket:closed", {"ticket": 7})
    write.kept("event:delivered", {"event_id": write.last}, NOAH)
    write.kept("event:seen", {"event_id": write.last - 1}, NOAH)
    write.kept("event:delete", {"event_id": text})
    write.signal("ephemeral", {"pointer": [3, 4]}, **people(MIA))


def membership(write: Writer) -> None:
    """Conversations and who is in them."""
    told = {"id": ROOM, "name": "desk", "display_name": "Desk", "state": "ACTIVE"}
    write.outside("conversation:created", {**told, "timestamp": {"created": AT[0]}})
    write.kept("conversation:updated", {**told, "timestamp": {"created": AT[0], "updated": AT[5]}}, None)
    times = {"created": AT[0], "updated": AT[5], "destroyed": END}
    write.outside("conversation:deleted", {"id": ROOM, "name": "desk", "timestamp": times, "reason": "deleted"})
    user = {**USERS[NOAH], "user_id": USERS[NOAH]["id"]}
    write.kept(
        "member:invited",
        {
            "cname": "desk",
            "conversation": {"conversation_id": ROOM, "name": "desk", "display_name": "Desk"},
            "invited_by": None,
            "member_id": NOAH,
            "user": {**user, "member_id": NOAH, "media": SOUND},
            "channel": {**APP, "legs": [{"leg_id": APP_LEG, "status": "started"}], "leg_ids": [APP_LEG]},
            "media": SOUND,
            "timestamp": {"invited": AT[0]},
            "initiator": {"invited": {"isSystem": True}},
        },
        NOAH,
    )
    by_self = {"isSystem": False, "user_id": user["id"], "member_id": NOAH}
    member = {"member_id": NOAH, "user": user, "channel": APP}
    came = {"invited": AT[0], "joined": AT[5]}
    write.kept("member:joined", {**member, "timestamp": came, "initiator": {"joined": by_self}}, NOAH)
    write.kept("member:media", {"audio": True, "media": SOUND, "channel": APP}, NOAH)
    reason = {"code": "200", "text": "completed"}
    left = {"timestamp": {**came, "left": END}, "initiator": {"left": by_self}, "reason": reason}
    write.kept("member:left", {**member, **left}, NOAH)


def main() -> None:
    write = Writer()
    for family in (calls, chat, membership, legs):
        family(write)
    text = json.dumps(write.events, indent=1)
    Path(__file__).with_name("event-examples.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
