"""Logging in, and every way in which it is refused: an event, never a refused socket."""

from __future__ import annotations

import asyncio

import pytest

from legato.auth import CLIENT_ACL, generate

from .clients import Chat, Nexmo
from .conftest import World

# What is wrong with a token → (the event that nexmo-client reports, the code that @vonage/client-sdk reports)
REFUSALS = {
    "garbage": ("system:error:invalid-token", "session:error:invalid-token"),
    "wrong key": ("system:error:invalid-token", "session:error:invalid-token"),
    "unknown application": ("system:error:invalid-token", "session:error:invalid-token"),
    "expired": ("system:error:expired-token", "session:error:expired-token"),
    "unknown user": ("user:error:not-found", "session:error:invalid-token"),
    "no user": ("system:error:permission", "system:error:permission"),
    "no access to sessions": ("system:error:permission", "system:error:permission"),
}


def wrong_token(world: World, what: str) -> str:
    world.user("alice")
    application = world.application
    if what == "garbage":
        return "not.a.token"
    if what == "wrong key":
        return type(application)(application.id, generate().private_key).token("alice")
    if what == "unknown application":
        return type(application)("5f3c1b1e-0000-4000-8000-000000000000", application.private_key).token("alice")
    if what == "expired":
        return application.token("alice", ttl=-60)
    if what == "unknown user":
        return application.token("nobody")
    if what == "no user":
        return application.token(acl=CLIENT_ACL)
    return application.token("alice", acl={"paths": {"/*/conversations/**": {}}})


async def test_nexmo_client_logs_in(world: World, host: str) -> None:
    alice = await world.nexmo("alice", host=host)
    assert alice.session.startswith("SES-")
    [success] = alice.heard("session:success")
    assert success.payload["body"]["user_id"] == world.user("alice")
    assert success.payload["body"]["name"] == "alice"


async def test_client_sdk_logs_in(world: World, host: str) -> None:
    bob = await world.chat("bob", host=host)
    assert bob.session.startswith("SES-")
    [success] = bob.heard("session:success")
    assert success.payload["body"]["user_id"] == world.user("bob")


@pytest.mark.parametrize("what", REFUSALS)
async def test_both_clients_learn_why_their_login_was_refused(world: World, host: str, what: str) -> None:
    alice, bob = await asyncio.gather(world.unconnected(Nexmo, "alice", host), world.unconnected(Chat, "bob", host))
    token = wrong_token(world, what)
    classic, chat = await asyncio.gather(alice.fail_to_login(world.url, token), bob.fail_to_login(world.url, token))
    assert classic["type"] == REFUSALS[what][0]
    assert classic["description"]
    assert (chat["type"], chat["code"]) == ("SESSION_ERROR", REFUSALS[what][1])


async def test_client_sdk_learns_that_the_session_it_resumes_is_not_its_own(world: World, host: str) -> None:
    alice = await world.chat("alice")
    thief = await world.unconnected(Chat, "bob", host)
    error = await thief.host.run(
        "failToLogin", {"config": thief.config(world.url), "token": world.token("bob"), "session": alice.session}
    )
    assert error["code"] == "session:error:invalid-session"


async def test_a_user_has_a_bounded_number_of_sessions(narrow_world: World, host: str) -> None:
    world = narrow_world
    await world.nexmo("alice")
    await world.chat("bob")
    second = await world.unconnected(Nexmo, "alice", host)
    error = await second.fail_to_login(world.url, world.token("alice"))
    assert error["type"] == "session:error:max-open-sessions"
    second_bob = await world.unconnected(Chat, "bob", host)
    error = await second_bob.fail_to_login(world.url, world.token("bob"))
    assert error["code"] == "session:error:max-open-sessions-permitted"


async def test_nexmo_client_logs_out(world: World, host: str) -> None:
    alice = await world.nexmo("alice", host=host)
    answer = await alice.client("deleteSession")
    assert answer["type"] in ("session:logged-out", "session:terminated")
    assert (await alice.emits("disconnect")).args == ["ClientDisconnected"]
    sessions = world.rest("GET", f"/v0.3/users/{world.user('alice')}/sessions")
    assert sessions.body["_embedded"]["sessions"] == []


async def test_client_sdk_logs_out(world: World, host: str) -> None:
    bob = await world.chat("bob", host=host)
    watcher = await world.nexmo("bob")
    await bob.client("deleteSession")

    async def open_sessions() -> list[str]:
        page = await watcher.application("getUserSessions")
        return [item["id"] for item in page["items"].values()]

    # The SDK does not wait for the server: neither does it say when it is done.
    for _ in range(50):
        found = await open_sessions()
        if found == [watcher.session]:
            break
    assert found == [watcher.session]
