"""What an operator sets, seen by clients."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from legato.testing.ca import Authority
from legato.testing.server import Server
from legato.testing.session import Session

from .test_applications import both, change, post, say

SOCKETS = "https://sockets.example:8443"


@pytest.fixture(scope="module")
def otherwise(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Server]:
    """A server over TLS with settings that are not the default."""
    settings = {"LEGATO_RENDER_TEXT": "false", "LEGATO_WEBSOCKET_URL": SOCKETS}
    with Server(tmp_path_factory.mktemp("otherwise"), authority=authority, settings=settings) as running:
        yield running


def test_discovery_tells_where_the_sockets_are(otherwise: Server) -> None:
    places = otherwise.request("GET", "/v0.3/discovery/api")
    assert places.body == {
        "local": {"endpoint": otherwise.url, "https": f"{otherwise.url}/v0.3/ping", "ws": SOCKETS},
    }


async def test_a_session_lives_over_tls(otherwise: Server) -> None:
    application = otherwise.application()
    room, (ada, ben) = await both(otherwise, application)
    assert ada.url.startswith("https://")
    first = say(otherwise, application, room, "ben", "heard")
    await ada.hears("message", lambda heard: heard.id == first)
    await ada.drop()
    say(otherwise, application, room, "ben", "missed")
    await ada.login()
    last = say(otherwise, application, room, "ben", "heard again")
    await ada.hears("message", lambda heard: heard.id == last)
    assert [heard.payload["body"]["text"] for heard in ada.heard("message")] == ["heard", "missed", "heard again"]
    stranger = Session(otherwise.url, application.token("ada"), trust=ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        await stranger.login()
    for session in (ada, ben):
        await session.close()


async def test_texts_of_the_newer_generation_stay_messages_where_the_operator_says_so(otherwise: Server) -> None:
    application = otherwise.application()
    room, (ada, ben) = await both(otherwise, application)
    first = say(otherwise, application, room, "ben", "as a message")
    message = await ada.hears("message", lambda heard: heard.id == first)
    assert message.payload["body"] == {"message_type": "text", "text": "as a message"}
    post(otherwise, application, room, "ada", "text:seen", {"event_id": first})
    seen = await ada.hears("message:seen")
    assert seen.payload["body"] == {"event_id": first}

    # An application decides otherwise for itself, and that outlives the server.
    change(otherwise, application, settings={"render_text": True})
    second = say(otherwise, application, room, "ben", "as a text")
    await ada.hears("text", lambda heard: heard.id == second)
    otherwise.kill()
    otherwise.restart()
    await ada.gone()
    third = say(otherwise, application, room, "ben", "as a text, missed")
    await ada.login()
    missed = await ada.hears("text", lambda heard: heard.id == third)
    assert missed.payload["body"] == {"text": "as a text, missed"}
    log = otherwise.history(application, room.cid)
    assert [event["id"] for event in log if event["type"] == "message"] == [first, second, third]
    for session in (ada, ben):
        await session.close()
