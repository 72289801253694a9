"""What endpoints and listeners are told is the same at every node, and is told once."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import msgspec
import psycopg
import pytest

from legato.testing.receiver import Receiver
from legato.testing.waiting import poll
from tests.e2e.nodes.conftest import SECONDS, Pair


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with Receiver() as running:
        yield running


def point_at(pair: Pair, receiver: Receiver) -> None:
    """The application's events go there."""
    rtc = {"webhooks": {"event_url": {"address": receiver.url, "http_method": "POST"}}}
    body = {"name": "test", "capabilities": {"rtc": rtc}}
    assert pair.one.request("PUT", f"/v2/applications/{pair.application.id}", body, basic=True).status == 200


async def test_an_endpoint_made_at_one_node_hears_what_happens_at_the_other(pair: Pair, receiver: Receiver) -> None:
    point_at(pair, receiver)
    sent = [pair.text(at, "alice", "heard?") for at in (pair.two, pair.one) * 5]
    expected = [f"{pair.cid}_{number}" for number in sent]
    poll(lambda: {each.id for each in receiver.requests()} >= set(expected), SECONDS, "everything is told")
    assert [each.id for each in receiver.requests() if each.id.startswith("CON-")] == expected


async def test_a_node_that_starts_leaves_the_lanes_of_others_alone(pair: Pair, receiver: Receiver) -> None:
    receiver.behave("slow", seconds=2.0)
    point_at(pair, receiver)
    sent = [pair.text(pair.one, "alice", str(number)) for number in range(3)]
    poll(lambda: receiver.requests(), SECONDS, "the first is being taken")
    third = pair.nodes.add()
    pair.nodes.until_known(3)
    receiver.behave("ok")
    expected = [f"{pair.cid}_{number}" for number in sent]
    poll(lambda: {each.id for each in receiver.requests()} >= set(expected), SECONDS, "everything is told")
    assert [each.id for each in receiver.requests() if each.id.startswith("CON-")] == expected
    pair.nodes.servers.remove(third)
    third.stop()
    pair.nodes.until_known(2)


async def test_nobody_is_woken_who_is_connected_at_another_node(pair: Pair, receiver: Receiver) -> None:
    point_at(pair, receiver)
    carol = pair.one.user(pair.application, "carol")
    member = {"user": {"name": "carol"}, "state": "joined", "channel": {"type": "app"}}
    path = f"/v1/conversations/{pair.cid}/members"
    assert pair.one.request("POST", path, member, token=pair.application.token()).status == 201
    device = {"tokens": {"push": {"token": "kept to ourselves"}}, "device_type": "android"}
    for name in ("bob", "carol"):
        answer = pair.one.request("PUT", f"/v1/devices/{name}-phone", device, token=pair.application.token(name))
        assert answer.status in (200, 201), answer
    bob = await pair.session("bob", pair.two)
    text = pair.text(pair.one, "alice", "bob hears it himself")

    def woken(number: int) -> set[str]:
        told = [each.event["body"] for each in receiver.requests() if each.event["type"] == "app:push"]
        return {each["user"]["id"] for each in told if each["event"]["id"] == number}

    poll(lambda: woken(text), SECONDS, "carol is woken")
    assert woken(text) == {carol}
    await bob.close()
    with psycopg.connect(pair.nodes.database_url.replace("+psycopg", ""), autocommit=True) as database:
        away = "SELECT 1 FROM sessions WHERE expires_at IS NOT NULL AND id = %s"
        poll(lambda: database.execute(away, (bob.id,)).fetchone() is not None, SECONDS, "bob is away")
    later = pair.text(pair.one, "alice", "bob is gone")
    poll(lambda: woken(later) == {carol, bob.user_id}, SECONDS, "both are woken")


async def test_a_listener_hears_what_happens_at_any_node(pair: Pair) -> None:
    headers = {"Authorization": f"Bearer {pair.application.token()}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.get(f"{pair.two.url}/v1/webhooks/listen") as listening,
    ):
        greeting = await listening.content.readline()
        assert b"secret" in greeting
        pair.post(pair.one, "alice", {"type": "text:typing:on", "body": {}})
        sent = [pair.text(pair.one, "alice", "here"), pair.text(pair.two, "alice", "there")]
        heard = []
        while len(heard) < 3:
            line = await listening.content.readline()
            event = msgspec.json.decode(line) if line.strip() else None
            if event is not None and event["type"].startswith("text"):  # the node may only just learn who joined
                heard.append(event)
    assert [each["type"] for each in heard] == ["text:typing:on", "text", "text"]
    assert [each["webhook_id"] for each in heard[1:]] == [f"{pair.cid}_{number}" for number in sent]
