"""SIGTERM, as clients see it: a network that went away for a moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import socketio

from legato.testing.server import Server
from legato.testing.session import Session

from .load import Room, Writers, check_log, check_session

NAMES = ["ada", "ben", "cay"]
SECONDS = 60.0


async def test_a_server_that_is_told_to_stop_loses_nothing_and_its_clients_come_back(
    make_server: Callable[..., Server],
) -> None:
    logging.getLogger("socketio").setLevel(logging.CRITICAL)
    server = make_server()
    application = server.application()
    for name in NAMES:
        server.user(application, name)
    room = Room.make(server, application, NAMES)
    sessions = [
        Session(server.url, application.token(name), dialect=dialect)
        for name, dialect in zip(NAMES, ("classic", "chat", "classic"), strict=True)
    ]
    await asyncio.gather(*(session.login() for session in sessions))
    ids = [session.id for session in sessions]

    # A client that nobody tells to come back: it does so by itself after a lost transport, and not after DISCONNECT.
    client = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.5)
    reasons: list[str] = []
    logins: asyncio.Queue[object] = asyncio.Queue()
    client.on("disconnect", reasons.append)
    client.on("session:success", logins.put_nowait)
    url = f"{server.url}?token={application.token('ada')}&session_version=0.0.1"
    await client.connect(url, socketio_path="/v2/rtc", transports=["websocket"])
    await asyncio.wait_for(logins.get(), SECONDS)

    async with Writers(server, application, [room]) as writers:
        await writers.more(50)
        with writers.held():
            await asyncio.to_thread(server.stop)  # raises unless it ends by itself, and well
            await asyncio.gather(*(session.gone() for session in sessions))
            assert [session.closed_with for session in sessions] == [1001] * len(sessions)
            assert not any(session.disconnected for session in sessions)
            await asyncio.to_thread(server.restart)
        await asyncio.wait_for(logins.get(), SECONDS)
        assert reasons == [client.reason.TRANSPORT_ERROR]
        await asyncio.gather(*(session.login() for session in sessions))
        await writers.more(20)

    assert [session.id for session in sessions] == ids, "a session was replaced instead of resumed"
    assert {status for status, _answer in writers.refused} <= {429, 503}, "refused for another reason than stopping"
    log = check_log(writers, room)
    for session in sessions:
        await check_session(session, room, log)
        await session.close()
    await client.disconnect()
