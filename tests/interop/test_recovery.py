"""Cuts, crashes, tokens that end, several sessions: what a client misses it gets, once and in order."""

from __future__ import annotations

import asyncio

from .clients import Chat, Nexmo
from .conftest import World


async def meet(alice: Nexmo, *others: str) -> str:
    """A conversation of alice and others, who are joined by the application."""
    cid: str = (await alice.application("newConversation"))["id"]
    await alice.conversation(cid, "join")
    await alice.emits("member:joined", source="conversation", cid=cid)
    return cid


def join(world: World, cid: str, *names: str) -> None:
    """Make users joined members, by the application."""
    for name in names:
        body = {"user": {"id": world.user(name)}, "state": "joined", "channel": {"type": "app"}}
        reply = world.rest("POST", f"/v1/conversations/{cid}/members", body)
        assert reply.status == 201, reply


def say(world: World, cid: str, user: str, text: str) -> int:
    """The id of a text that the user posts from elsewhere."""
    reply = world.rest("POST", f"/v1/conversations/{cid}/events", {"type": "text", "body": {"text": text}}, user=user)
    assert reply.status == 201, reply
    event_id: int = reply.body["id"]
    return event_id


def stored(client: Nexmo | Chat, cid: str) -> list[int]:
    """The ids that came over the socket, in the order in which they came."""
    return [packet.payload["id"] for packet in client.heard(cid=cid) if "id" in packet.payload]


async def test_nexmo_client_misses_nothing_over_a_cut(world: World, host: str) -> None:
    alice = await world.nexmo("alice", host=host)
    cid = await meet(alice)
    join(world, cid, "bob")
    before = say(world, cid, "bob", "before")
    await alice.emits("text", lambda told: told.args[1]["id"] == before, source="conversation", cid=cid)
    # Its own receipt is an event as well. A frame that comes while the client is closing is on the wire and in no
    # client: it would rightly be sent again.
    await alice.hears("text:delivered", lambda payload: payload["body"]["event_id"] == before, cid)
    await alice.host.run("drop", {})
    for number in range(30):
        say(world, cid, "bob", f"missed {number}")
    await alice.emits("reconnect", source="client")
    last = say(world, cid, "bob", "after")
    await alice.emits("text", lambda told: told.args[1]["id"] == last, source="conversation", cid=cid)
    texts = [told.args[1]["body"]["text"] for told in alice.tells("text", "conversation", cid)]
    assert texts == ["before", *(f"missed {number}" for number in range(30)), "after"]
    ids = stored(alice, cid)
    assert ids == list(range(ids[0], ids[-1] + 1))


async def test_nexmo_client_fills_a_gap_from_the_log(world: World, host: str) -> None:
    alice = await world.nexmo("alice", host=host)
    cid = await meet(alice)
    join(world, cid, "bob")
    await alice.emits("member:joined", lambda told: told.args[0]["userName"] == "bob", source="conversation")
    await alice.host.run("deaf", {"on": True})
    for number in range(29):
        say(world, cid, "bob", f"lost {number}")
    await alice.record.until(lambda: len(alice.record.lost) == 29, "29 lost events")
    await alice.host.run("deaf", {"on": False})
    last = say(world, cid, "bob", "heard")
    await alice.emits("text", lambda told: told.args[1]["id"] == last, source="conversation", cid=cid)
    texts = [told.args[1]["body"]["text"] for told in alice.tells("text", "conversation", cid)]
    assert texts == [*(f"lost {number}" for number in range(29)), "heard"]


async def test_both_clients_go_on_after_the_server_was_killed_mid_conversation(mortal_world: World, host: str) -> None:
    world = mortal_world
    alice, bob = await world.nexmo("alice", host=host), await world.chat("bob", host=host)
    cid = await meet(alice)
    join(world, cid, "bob", "carol")
    first = say(world, cid, "carol", "before the crash")
    await alice.emits("text", lambda told: told.args[1]["id"] == first, source="conversation", cid=cid)
    await bob.gets("message:text", lambda event: event["id"] == first)
    # nexmo-client leaves the failure of a receipt that is under way unhandled: both are through, and answered.
    await alice.record.until(lambda: len(alice.heard("text:delivered", cid=cid)) == 2, "both receipts")
    await alice.open(cid)
    sessions = alice.session, bob.session

    world.server.kill()
    await alice.emits("disconnect", lambda told: told.args == ["ConnectionError"], source="client")
    await asyncio.to_thread(world.server.restart)
    missed = [say(world, cid, "carol", f"while you were away {number}") for number in range(5)]
    await alice.emits("reconnect", source="client")
    await bob.emits("reconnection")
    last = say(world, cid, "carol", "after the crash")
    await alice.emits("text", lambda told: told.args[1]["id"] == last, source="conversation", cid=cid)
    await bob.gets("message:text", lambda event: event["id"] == last)

    wanted = [first, *missed, last]
    assert [told.args[1]["id"] for told in alice.tells("text", "conversation", cid)] == wanted
    assert [event["id"] for event in bob.events("message:text", cid)] == wanted
    for client, session in zip((alice, bob), sessions, strict=True):
        assert [packet.payload["body"]["id"] for packet in client.heard("session:success")] == [session, session]
        ids = stored(client, cid)
        assert len(ids) == len(set(ids))
        assert ids == sorted(ids)
    # And both still write.
    await alice.conversation(cid, "sendText", "still here")
    await bob.gets("message:text", lambda event: event["body"]["text"] == "still here")
    await bob.client("sendMessageTextEvent", cid, "me too")
    await alice.emits("text", lambda told: told.args[1]["body"]["text"] == "me too", source="conversation", cid=cid)


async def test_an_invitation_sent_during_a_cut_arrives_after_it(world: World, host: str) -> None:
    alice, bob = await world.nexmo("alice"), await world.nexmo("bob", host=host)
    await bob.host.run("drop", {})
    cid = await meet(alice)
    await alice.conversation(cid, "invite", {"user_name": "bob"})
    await bob.emits("member:invited", source="application")
    await bob.conversation(cid, "join")


async def test_a_refreshed_token_keeps_the_session(world: World, host: str) -> None:
    alice = await world.unconnected(Nexmo, "alice", host)
    bob = await world.unconnected(Chat, "bob", host)
    await alice.login(world.url, world.token("alice", ttl=4))
    await bob.login(world.url, world.token("bob", ttl=4))
    await alice.application("updateToken", world.token("alice", ttl=600))
    await bob.client("refreshSession", world.token("bob", ttl=600))
    # carol's token, as old as theirs, has run out: so would theirs have.
    carol = await world.unconnected(Nexmo, "carol")
    await carol.login(world.url, world.token("carol", ttl=4))
    await carol.emits("system:error:expired-token", source="application")
    cid = await meet(alice)
    join(world, cid, "bob")
    await alice.conversation(cid, "sendText", "still logged in")
    await bob.gets("message:text", cid=cid)
    assert not alice.tells("system:error:expired-token")
    assert not alice.tells("disconnect")
    assert not bob.tells("sessionError")


async def test_a_token_that_ends_is_announced_and_then_ends_the_session(hasty_world: World, host: str) -> None:
    world = hasty_world
    alice = await world.unconnected(Nexmo, "alice", host)
    bob = await world.unconnected(Chat, "bob", host)
    await alice.login(world.url, world.token("alice", ttl=3))
    await bob.login(world.url, world.token("bob", ttl=3))
    await alice.emits("system:error:expired-token", source="application")
    await alice.emits("disconnect", lambda told: told.args == ["TokenExpired"], source="client")
    assert (await bob.emits("sessionError")).args == ["EXPIRED_TOKEN"]


async def test_a_token_of_another_user_does_not_refresh_a_session(world: World) -> None:
    alice = await world.nexmo("alice")
    reply = world.rest("PUT", f"/v0.2/sessions/{alice.session}", user="bob")
    assert reply.status in (401, 403, 404)


async def test_two_sessions_of_one_user_hear_the_same(world: World, host: str) -> None:
    first, second = await world.nexmo("alice", host=host), await world.nexmo("alice", host=host)
    assert first.session != second.session
    cid = await meet(first)
    await second.emits("member:joined", source="conversation", cid=cid)
    join(world, cid, "bob")
    last = say(world, cid, "bob", "to all your screens")
    for client in (first, second):
        await client.emits("text", lambda told: told.args[1]["id"] == last, source="conversation", cid=cid)
    page = await first.application("getUserSessions")
    assert {item["id"] for item in page["items"].values()} == {first.session, second.session}
    await first.client("deleteSession")
    say(world, cid, "bob", "to the one that is left")
    await second.emits(
        "text", lambda told: told.args[1]["body"]["text"] == "to the one that is left", source="conversation"
    )


async def test_deleting_a_user_ends_its_sessions(world: World, host: str) -> None:
    alice, bob = await world.nexmo("alice", host=host), await world.chat("bob", host=host)
    for name in ("alice", "bob"):
        assert world.rest("DELETE", f"/v1/users/{world.user(name)}").status == 204
    await alice.hears("session:terminated")
    await alice.emits("disconnect", source="client")
    assert (await bob.emits("sessionError")).args == ["EXPIRED_TOKEN"]
