"""``kill -9`` under load: nothing acknowledged is lost, nothing comes twice, nobody misses anything."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable

import pytest

from legato.testing.server import Server
from legato.testing.session import Session

from .load import Room, Writers, check_log, check_session

CRASHES = int(os.environ.get("LEGATO_CRASHES", "5"))
NAMES = ["ada", "ben", "cay", "dov"]


@pytest.mark.crash
async def test_nothing_acknowledged_is_lost_and_nobody_misses_anything_over_crashes(
    durable_database_url: str, make_server: Callable[..., Server]
) -> None:
    server = make_server(database_url=durable_database_url)
    application = server.application()
    for name in NAMES:
        server.user(application, name)
    rooms = [Room.make(server, application, NAMES) for _ in range(2)]
    dialects = ("classic", "chat")
    sessions = [
        Session(server.url, application.token(name, ttl=86_000), dialect=dialects[index % 2])
        for index, name in enumerate(NAMES)
    ]
    await asyncio.gather(*(session.login() for session in sessions))
    ids = [session.id for session in sessions]
    chance = random.Random(8)

    async with Writers(server, application, rooms) as writers:
        for _ in range(CRASHES):
            await writers.more(chance.randrange(30, 150))
            await writers.crash()
            # Some come back at once, some when more has happened that they missed.
            prompt, late = sessions[:2], sessions[2:]
            await asyncio.gather(*(session.gone() for session in sessions))
            await asyncio.gather(*(session.login() for session in prompt))
            await writers.more(chance.randrange(5, 30))
            await asyncio.gather(*(session.login() for session in late))
        await writers.more(50)

    assert [session.id for session in sessions] == ids, "a session was replaced instead of resumed"
    assert not writers.refused, server.internal_errors()
    for room in rooms:
        log = check_log(writers, room)
        for session in sessions:
            await check_session(session, room, log)
    await asyncio.gather(*(session.close() for session in sessions))
