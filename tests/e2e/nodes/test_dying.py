"""Nodes that die, stand still, or cannot hear: nobody loses anything, and what they had goes on elsewhere."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from legato.testing.postgres import Cluster
from legato.testing.receiver import Receiver
from legato.testing.server import Server
from legato.testing.waiting import poll
from tests.conftest import missing
from tests.e2e.load import Room, Writers
from tests.e2e.nodes.conftest import SECONDS, Nodes, Pair, metric


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with Receiver() as running:
        yield running


def until_logged(server: Server, text: str) -> None:
    """Returns when the server has said it."""
    poll(lambda: text in server.log.read_text(errors="replace"), SECONDS, f"the log says {text!r}")


async def test_a_killed_nodes_sessions_go_on_at_another_with_nothing_lost_or_twice(mortal_pair: Pair) -> None:
    pair = mortal_pair
    bob, alice = await pair.session("bob", pair.two), await pair.session("alice", pair.one)
    async with Writers(pair.one, pair.application, [pair.room]) as writers:
        await writers.more(50)
        pair.two.kill()
        await bob.gone()
        await writers.more(50)
        bob.url = pair.one.url
        await bob.login()
        await writers.more(50)
    until_logged(pair.one, "the node node-1 is gone: its 0 sessions")
    history = pair.one.history(pair.application, pair.cid)
    texts = [event["id"] for event in history if event["type"] == "text"]
    for session in (alice, bob):
        await session.until(lambda session=session: texts[-1] in session.stored(pair.cid), "the last")  # type: ignore[misc]
        # Who has heard nothing yet when its node dies may be told once more who joined before.
        assert [number for number in session.stored(pair.cid) if number in texts] == texts


async def test_who_was_connected_to_a_node_that_died_is_known_to_be_away(mortal_pair: Pair) -> None:
    pair = mortal_pair
    await pair.session("bob", pair.two)
    pair.two.kill()
    until_logged(pair.one, "the node node-1 is gone: its 1 sessions")
    with psycopg.connect(pair.nodes.database_url.replace("+psycopg", "")) as database:
        assert database.execute("SELECT count(*) FROM sessions WHERE expires_at IS NULL").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM nodes").fetchone() == (1,)


async def test_a_killed_nodes_webhooks_are_sent_by_another_in_order(nodes: Nodes, receiver: Receiver) -> None:
    servers = [nodes.add() for _ in range(3)]
    nodes.until_known(3)
    application = servers[0].application(rtc={"webhooks": {"event_url": {"address": receiver.url}}})
    names = ["alice", "bob"]
    for name in names:
        servers[0].user(application, name)
    rooms = [Room.make(servers[0], application, names) for _ in range(4)]
    teams = [Writers(server, application, rooms) for server in servers[1:]]
    for team in teams:
        await team.__aenter__()
    await asyncio.gather(*(team.more(60) for team in teams))
    servers[0].kill()
    await teams[0].more(30)
    for team in teams:
        await team.__aexit__()
    expected = {f"{room.cid}_{event['id']}" for room in rooms for event in servers[1].history(application, room.cid)}
    receiver.until_told(expected)
    in_order(receiver)


def in_order(receiver: Receiver) -> None:
    """Each conversation's events come first in their order; a repeat is of one that has come."""
    last: dict[str, int] = {}
    seen: set[str] = set()
    for request in receiver.requests():
        stream, _, number = request.id.rpartition("_")
        if request.id in seen or not stream.startswith("CON-"):
            continue
        seen.add(request.id)
        assert int(number) == last.get(stream, 0) + 1, request.id
        last[stream] = int(number)


async def test_a_node_that_stood_still_holds_nobody_up_and_begins_anew(mortal_pair: Pair) -> None:
    pair = mortal_pair
    bob, alice = await pair.session("bob", pair.two), await pair.session("alice", pair.one)
    pair.text(pair.two, "alice", "before")
    async with Writers(pair.two, pair.application, [pair.room]) as stopped:
        await stopped.more(20)
        os.kill(pair.two.pid, signal.SIGSTOP)  # in the middle of something, perhaps with the database locked
        try:
            async with Writers(pair.one, pair.application, [pair.room]) as writers:
                await writers.more(50)
            until_logged(pair.one, "the node node-1 is gone: its 1 sessions")
        finally:
            os.kill(pair.two.pid, signal.SIGCONT)
        await bob.gone()
        assert not bob.disconnected
        await bob.login()
    until_logged(pair.two, "this node was taken for dead")
    pair.nodes.until_known(2)
    last = pair.text(pair.two, "bob", "after")
    history = pair.one.history(pair.application, pair.cid)
    assert [event["id"] for event in history] == list(range(1, last + 1))
    texts = [event["id"] for event in history if event["type"] == "text"]
    for session in (alice, bob):
        await session.until(lambda session=session: last in session.stored(pair.cid), "the last")  # type: ignore[misc]
        assert session.stored(pair.cid) == texts


async def test_without_a_bus_everything_is_heard_from_the_log(mortal_pair: Pair) -> None:
    pair = mortal_pair
    bob = await pair.session("bob", pair.two)
    sent = [pair.text(pair.one, "alice", "with a bus")]
    if pair.nodes.bus is not None:
        pair.nodes.bus.kill()
        for server in pair.nodes.servers:
            poll(lambda server=server: metric(server, "legato_bus_connected") == 0, SECONDS, "the bus is lost")  # type: ignore[misc]
        sent += [pair.text(at, "alice", "without one") for at in (pair.one, pair.two) * 3]
        await bob.until(lambda: bob.stored(pair.cid) == sent, "all of them")
        pair.nodes.bus.start()
    else:
        with psycopg.connect(pair.nodes.database_url.replace("+psycopg", ""), autocommit=True) as database:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            assert database.execute(cut).fetchall() == [(True,)] * 2
            sent += [pair.text(at, "alice", "without one") for at in (pair.one, pair.two) * 3]
    for server in pair.nodes.servers:
        poll(lambda server=server: metric(server, "legato_bus_connected") == 1, SECONDS, "the bus is back")  # type: ignore[misc]
    sent.append(pair.text(pair.one, "alice", "with a bus again"))
    await bob.until(lambda: bob.stored(pair.cid) == sent, "all of them")
    pair.post(pair.one, "alice", {"type": "text:typing:on", "body": {}})
    await bob.hears("text:typing:on")


@pytest.mark.parametrize("skew", ["+90s", "-90s"])
async def test_a_node_whose_clock_is_wrong_goes_by_the_databases(
    postgres: Cluster, nodes: Nodes, receiver: Receiver, skew: str
) -> None:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        missing("faketime is not installed. On Debian, as root: apt-get install faketime")
    one, two = nodes.add(), nodes.add(before=("env", f"LD_PRELOAD={found[0]}", f"FAKETIME={skew}"))
    nodes.until_known(2)
    until_logged(two, "the database's, which counts")
    application = one.application(rtc={"webhooks": {"event_url": {"address": receiver.url}}})
    one.user(application, "alice")
    room = Room.make(one, application, ["alice"])
    async with Writers(one, application, [room]) as here, Writers(two, application, [room]) as there:
        await asyncio.gather(here.more(30), there.more(30))
    assert not here.refused
    assert not there.refused
    history = one.history(application, room.cid)
    times = [event["timestamp"] for event in history]
    # To ten seconds: clocks are compared over a network, and by 90 s nothing would be in order.
    assert all(later[:18] >= earlier[:18] for earlier, later in itertools.pairwise(times))
    expected = {f"{room.cid}_{event['id']}" for event in history}
    receiver.until_told(expected)
    in_order(receiver)
    assert "is gone" not in one.log.read_text() + two.log.read_text()
