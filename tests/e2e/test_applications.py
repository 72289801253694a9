"""What becomes of live sessions when their application changes."""

from __future__ import annotations

from typing import Any

import pytest

from legato.auth import generate
from legato.testing.server import Application, Server
from legato.testing.session import Session
from legato.testing.waiting import ConditionError

from .load import Room


def change(server: Server, application: Application, **body: Any) -> None:
    """Replace an application, as its account's owner does."""
    reply = server.request("PUT", f"/v2/applications/{application.id}", {"name": "changed", **body}, basic=True)
    assert reply.status == 200, reply


def post(server: Server, application: Application, room: Room, user: str, type_: str, body: dict[str, Any]) -> int:
    """The id of an event that a user of the newer SDK posts: it names no session."""
    path = f"/v1/conversations/{room.cid}/events"
    reply = server.request("POST", path, {"type": type_, "body": body}, token=application.token(user))
    assert reply.status == 201, reply
    event_id: int = reply.body["id"]
    return event_id


def say(server: Server, application: Application, room: Room, user: str, text: str) -> int:
    """The id of a text that a user of the newer SDK posts."""
    return post(server, application, room, user, "message", {"message_type": "text", "text": text})


async def both(server: Server, application: Application) -> tuple[Room, list[Session]]:
    """A conversation of ada and ben, and a session of each: ada's of the older generation, ben's of the newer."""
    for name in ("ada", "ben"):
        server.user(application, name)
    room = Room.make(server, application, ["ada", "ben"])
    sessions = [
        await Session(server.url, application.token(name), dialect=dialect, trust=server.trust).login()
        for name, dialect in (("ada", "classic"), ("ben", "chat"))
    ]
    return room, sessions


async def ended(session: Session, reason: str) -> None:
    """The session was told why it is over, and that its client is not to come back; nor does anybody let it."""
    terminated = await session.hears("session:terminated")
    assert terminated.payload == {"body": {"reason": reason}}
    await session.until(lambda: session.disconnected, "DISCONNECT")
    await session.close()
    with pytest.raises(ConditionError, match="system:error:invalid-token"):
        await session.login()
    await session.close()


async def test_a_live_session_ends_when_its_applications_key_is_rotated(server: Server) -> None:
    application, other = server.application(), server.application()
    _, sessions = await both(server, application)
    other_room, others = await both(server, other)
    pair = generate()
    change(server, application, keys={"public_key": pair.public_key})
    for session in sessions:
        await ended(session, "key rotated")
    renewed = await Session(server.url, Application(application.id, pair.private_key).token("ada")).login()
    assert renewed.id != sessions[0].id
    said = say(server, other, other_room, "ada", "nothing happened here")
    for session in others:
        await session.until(lambda session=session: said in session.stored(other_room.cid), "goes on")
    for session in (renewed, *others):
        await session.close()


async def test_a_live_session_ends_when_its_application_is_deleted(server: Server) -> None:
    application = server.application()
    _, sessions = await both(server, application)
    assert server.request("DELETE", f"/v2/applications/{application.id}", basic=True).status == 204
    for session in sessions:
        await ended(session, "deleted")


async def test_a_live_session_goes_on_when_its_application_keeps_its_key(server: Server) -> None:
    application = server.application()
    room, sessions = await both(server, application)
    change(server, application, capabilities={"vbc": {}})
    said = say(server, application, room, "ada", "still here")
    for session in sessions:
        await session.until(lambda session=session: said in session.stored(room.cid), "goes on")
        assert not session.heard("session:terminated")
        await session.close()


async def test_an_application_decides_while_its_sessions_are_live_how_messages_read(server: Server) -> None:
    application = server.application()
    room, (ada, ben) = await both(server, application)
    first = say(server, application, room, "ben", "as a text")
    text = await ada.hears("text", lambda heard: heard.id == first)
    assert text.payload["body"] == {"text": "as a text"}

    change(server, application, settings={"render_text": False})
    second = say(server, application, room, "ben", "as a message")
    message = await ada.hears("message", lambda heard: heard.id == second)
    assert message.payload["body"] == {"message_type": "text", "text": "as a message"}
    post(server, application, room, "ada", "message:seen", {"event_id": second})
    assert (await ada.hears("message:seen")).payload["body"] == {"event_id": second}

    change(server, application, settings={"render_text": True})
    third = say(server, application, room, "ben", "as a text again")
    await ada.hears("text", lambda heard: heard.id == third)
    assert [(heard.type, heard.id) for heard in ada.heard("text", "message")] == [
        ("text", first),
        ("message", second),
        ("text", third),
    ]
    # To the newer generation each was a message, and so it is in the log.
    await ben.until(lambda: third in ben.stored(room.cid), "all three")
    assert [heard.id for heard in ben.heard("message")] == [first, second, third]
    log = server.history(application, room.cid)
    assert [event["id"] for event in log if event["type"] == "message"] == [first, second, third]
    for session in (ada, ben):
        await session.close()
