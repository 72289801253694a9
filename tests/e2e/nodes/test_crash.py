"""``kill -9`` of nodes and bus under load: nothing acknowledged is lost, nobody misses anything or hears it twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from legato.testing.postgres import Cluster
from legato.testing.receiver import Receiver
from legato.testing.server import Server
from legato.testing.session import Session
from tests.e2e.load import TOKEN_SECONDS, Room, Writers, check_log, check_session
from tests.e2e.nodes.conftest import BUSES, Nodes, nats_server, settings_for
from tests.e2e.nodes.test_dying import in_order

CRASHES = int(os.environ.get("LEGATO_CRASHES", "4"))
NAMES = ["ada", "ben", "cay", "dov"]


@pytest.fixture(params=BUSES)
def durable_nodes(
    request: pytest.FixtureRequest, durable_postgres: Cluster, tmp_path: Path, make_server: Callable[..., Server]
) -> Iterator[Nodes]:
    """No node yet, on a database that survives the loss of power, over each bus."""
    url = durable_postgres.database()
    if request.param == "nats":
        with nats_server(tmp_path) as bus:
            yield Nodes(make_server, url, settings_for(bus), bus)
    else:
        yield Nodes(make_server, url, settings_for(None))
    durable_postgres.drop(url)


@pytest.mark.crash
async def test_nothing_is_lost_and_nobody_misses_anything_over_crashes_of_nodes_and_bus(
    durable_nodes: Nodes, tmp_path: Path
) -> None:
    nodes = durable_nodes
    servers = [nodes.add(), nodes.add()]
    nodes.until_known(2)
    with Receiver(tmp_path / "journal") as receiver:
        application = servers[0].application(rtc={"webhooks": {"event_url": {"address": receiver.url}}})
        for name in NAMES:
            servers[0].user(application, name)
        rooms = [Room.make(servers[0], application, NAMES) for _ in range(2)]
        tokens = {name: application.token(name, ttl=TOKEN_SECONDS) for name in NAMES}
        sessions = [
            Session(servers[index % 2].url, tokens[name], dialect=("classic", "chat")[index % 2])
            for index, name in enumerate(NAMES)
        ]
        await asyncio.gather(*(session.login() for session in sessions))
        ids = [session.id for session in sessions]
        chance = random.Random(9)
        teams = [Writers(server, application, rooms, f"{number}: ") for number, server in enumerate(servers)]
        async with teams[0], teams[1]:
            for crash in range(CRASHES):
                await asyncio.gather(*(team.more(chance.randrange(20, 60)) for team in teams))
                dead = crash % 2
                if nodes.bus is not None and crash % 3 == 2:
                    nodes.bus.kill()
                    await teams[0].more(20)
                    nodes.bus.start()
                    continue
                at = [session for session in sessions if session.url == servers[dead].url]
                back = asyncio.create_task(teams[dead].crash())
                await asyncio.gather(*(session.gone() for session in at))
                for session in at:
                    session.url = servers[1 - dead].url
                await asyncio.gather(*(session.login() for session in at))
                await teams[1 - dead].more(20)
                await back
            await asyncio.gather(*(team.more(30) for team in teams))
        assert [session.id for session in sessions] == ids, "a session was replaced instead of resumed"
        assert not [refusal for team in teams for refusal in team.refused]
        both = Writers(servers[0], application, rooms)
        for room in rooms:
            earlier, later = (team.acknowledged[room.cid] for team in teams)
            assert not earlier.keys() & later.keys(), "one id was given at both nodes"
            both.acknowledged[room.cid] = earlier | later
        both.unanswered = teams[0].unanswered | teams[1].unanswered
        logs = {room.cid: check_log(both, room) for room in rooms}
        for room in rooms:
            for session in sessions:
                await check_session(session, room, logs[room.cid])
        expected = {f"{cid}_{event['id']}" for cid, log in logs.items() for event in log}
        receiver.until_told(expected)
        in_order(receiver)
    await asyncio.gather(*(session.close() for session in sessions))
