"""Everybody hears everything, once and in order, at whichever node they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from legato.testing.server import Server
from legato.testing.session import Session
from legato.testing.waiting import poll
from tests.e2e.load import Room, Writers
from tests.e2e.nodes.conftest import SECONDS, Nodes, Pair


async def test_who_is_at_one_node_hears_who_is_at_the_other(pair: Pair) -> None:
    alice = await pair.session("alice", pair.one)
    bob = await pair.session("bob", pair.two)
    first = pair.text(pair.one, "alice", "from the first")
    second = pair.text(pair.two, "bob", "from the second")
    assert second == first + 1
    for session in (alice, bob):
        await session.until(lambda session=session: session.stored(pair.cid) == [first, second], "both")  # type: ignore[misc]
    frames = [[heard.frame for heard in session.heard("text")] for session in (alice, bob)]
    assert frames[0] == frames[1]


async def test_what_is_not_stored_passes_too_and_in_its_place(pair: Pair) -> None:
    bob = await pair.session("bob", pair.two)
    pair.text(pair.one, "alice", "first")
    pair.post(pair.one, "alice", {"type": "text:typing:on", "body": {}})
    await bob.hears("text:typing:on")
    long = {"type": "ephemeral", "body": {"data": "x" * 4_000}}
    pair.post(pair.one, "alice", long)
    heard = await bob.hears("ephemeral")
    assert heard.payload["body"] == long["body"]
    assert [each.type for each in bob.events if each.cid == pair.cid] == ["text", "text:typing:on", "ephemeral"]


async def test_receipts_edits_and_deletions_are_right_at_any_node(pair: Pair) -> None:
    alice = await pair.session("alice", pair.one)
    text = pair.text(pair.one, "alice", "Shall we?")
    seen = {"type": "text:seen", "body": {"event_id": text}}
    once = pair.post(pair.two, "bob", seen)
    again = pair.post(pair.one, "bob", seen)
    assert again["id"] == once["id"]
    edit = {"type": "text:update", "body": {"original_event_id": text, "text": "Shall we now?"}}
    pair.post(pair.two, "alice", edit)
    path = f"/v1/conversations/{pair.cid}/events/{text}"
    assert pair.one.request("GET", path, token=pair.application.token()).body["body"]["text"] == "Shall we now?"
    assert pair.one.request("DELETE", path, token=pair.application.token("alice")).status in (200, 204)
    pair.post(pair.two, "alice", edit, status=400)
    await alice.hears("event:delete")
    assert len(alice.heard("text:seen")) == 1
    at_two = pair.two.history(pair.application, pair.cid)
    assert at_two == pair.one.history(pair.application, pair.cid)
    assert [event["id"] for event in at_two] == list(range(1, len(at_two) + 1))


async def test_who_leaves_at_one_node_cannot_write_at_the_other(pair: Pair) -> None:
    bob = await pair.session("bob", pair.two)
    path = f"/v1/conversations/{pair.cid}/members/{pair.room.members['bob']}"
    left = {"state": "left"}
    assert pair.one.request("PATCH", path, left, token=pair.application.token("bob")).status == 200
    pair.post(pair.two, "bob", {"type": "text", "body": {"text": "still here?"}}, status=403)
    await bob.hears("member:left")
    unheard = pair.text(pair.one, "alice", "is he gone?")
    again = {"user": {"name": "bob"}, "state": "joined", "channel": {"type": "app"}}
    joined = pair.two.request("POST", f"/v1/conversations/{pair.cid}/members", again, token=pair.application.token())
    assert joined.status == 201
    heard = pair.text(pair.two, "alice", "he is back")
    await bob.until(lambda: heard in bob.stored(pair.cid), "hears again")
    assert unheard not in bob.stored(pair.cid)


async def test_what_was_answered_by_one_node_is_read_at_the_other(pair: Pair) -> None:
    for round_ in range(20):
        at, other = (pair.one, pair.two) if round_ % 2 else (pair.two, pair.one)
        name = f"person-{round_}"
        at.user(pair.application, name)
        body = {"user": {"name": name}, "state": "joined", "channel": {"type": "app"}}
        path = f"/v1/conversations/{pair.cid}/members"
        member = at.request("POST", path, body, token=pair.application.token()).body
        found = other.request("GET", f"{path}/{member['id']}", token=pair.application.token())
        assert found.status == 200, found


async def test_of_two_who_want_the_same_one_gets_it(pair: Pair) -> None:
    async def at_both(method: str, path: str, body: Any) -> list[int]:
        async def ask(http: aiohttp.ClientSession, server: Server) -> int:
            async with http.request(method, server.url + path, json=body) as answer:
                return answer.status

        headers = {"Authorization": f"Bearer {pair.application.token()}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            return sorted(await asyncio.gather(*(ask(http, at) for at in pair.nodes.servers for _ in range(4))))

    for number in range(10):
        assert await at_both("POST", "/v1/conversations", {"name": f"same-{number}"}) == [201, *[400] * 7]
        assert (await at_both("POST", "/v1/users", {"name": f"one-{number}"}))[:2] == [201, 400]


async def test_writers_at_three_nodes_make_one_log(nodes: Nodes) -> None:
    servers = [nodes.add() for _ in range(3)]
    nodes.until_known(3)
    application = servers[0].application()
    names = [f"user-{number}" for number in range(6)]
    for name in names:
        servers[0].user(application, name)
    room = Room.make(servers[0], application, names)
    listeners = [Session(servers[number % 3].url, application.token(name)) for number, name in enumerate(names)]
    for listener in listeners:
        await listener.login()
    teams = [Writers(server, application, [room]) for server in servers]
    for team in teams:
        await team.__aenter__()
    await asyncio.gather(*(team.more(150) for team in teams))
    for team in teams:
        await team.__aexit__()
    history = servers[1].history(application, room.cid)
    assert [event["id"] for event in history] == list(range(1, len(history) + 1))
    texts = {event["id"]: event["body"]["text"] for event in history if event["type"] == "text"}
    acknowledged: dict[int, str] = {}
    for team in teams:
        assert not team.refused
        assert not acknowledged.keys() & team.acknowledged[room.cid].keys()
        acknowledged |= team.acknowledged[room.cid]
    assert acknowledged.items() <= texts.items()
    expected = sorted(texts)
    for listener in listeners:
        await listener.until(lambda listener=listener: len(listener.stored(room.cid)) >= len(expected), "all of it")  # type: ignore[misc]
        assert [number for number in listener.stored(room.cid) if number in texts] == expected
        await listener.close()


async def test_a_node_that_ends_takes_leave_of_the_others(nodes: Nodes, make_server: Callable[..., Server]) -> None:
    one, two = nodes.add(), nodes.add()
    nodes.until_known(2)
    two.stop()
    poll(lambda: nodes.alive(one) == 1, SECONDS, "it is alone again")
    assert "is gone" not in one.log.read_text()
