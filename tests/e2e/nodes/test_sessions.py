"""A session lives at any node, at one of them at a time."""

from __future__ import annotations

import asyncio

import pytest

from legato.testing.server import Server
from legato.testing.session import Session
from legato.testing.waiting import poll
from tests.e2e.nodes.conftest import SECONDS, Pair


async def resume_at(session: Session, server: Server) -> None:
    """The client comes back, to another node, whether or not the one it was at has noticed that it went."""
    await session.drop()
    session.url = server.url
    await session.login()


async def test_a_session_resumes_at_another_node_with_what_it_missed_and_nothing_else(pair: Pair) -> None:
    bob = await pair.session("bob", pair.one)
    first = pair.text(pair.one, "alice", "before")
    await bob.until(lambda: bob.stored(pair.cid) == [first], "the first")
    await bob.drop()
    missed = [pair.text(at, "alice", f"away {number}") for number, at in enumerate([pair.one, pair.two] * 3)]
    await resume_at(bob, pair.two)
    last = pair.text(pair.one, "alice", "after")
    await bob.until(lambda: last in bob.stored(pair.cid), "the last")
    assert bob.stored(pair.cid) == [first, *missed, last]


async def test_who_comes_back_at_once_is_told_nothing_twice(pair: Pair) -> None:
    bob = await pair.session("bob", pair.one)
    sent = []
    for number in range(30):
        at, other = (pair.one, pair.two) if number % 2 else (pair.two, pair.one)
        sent.append(pair.text(other, "alice", f"text {number}"))
        # The node that bob comes to may not have heard yet of what the one he was at has told him.
        await bob.until(lambda: sent[-1] in bob.stored(pair.cid), "it")
        await resume_at(bob, at)
    assert bob.stored(pair.cid) == sent


async def test_a_connection_that_was_left_behind_is_closed_and_its_session_goes_on(pair: Pair) -> None:
    left = await pair.session("bob", pair.one)
    bob = Session(pair.two.url, pair.application.token("bob"))
    bob.id = left.id
    pair.sessions.append(bob)
    await bob.login()
    await left.gone()
    assert not left.disconnected
    sent = pair.text(pair.one, "alice", "where are you?")
    await bob.until(lambda: bob.stored(pair.cid) == [sent], "it")


async def test_a_session_is_ended_from_any_node(pair: Pair) -> None:
    bob = await pair.session("bob", pair.one)
    token = pair.application.token()
    assert pair.two.request("DELETE", f"/v1/sessions/{bob.id}", token=token).status in (200, 204)
    await bob.until(lambda: bob.disconnected, "DISCONNECT")
    assert [heard.type for heard in bob.events][-1] == "session:terminated"
    assert pair.one.request("DELETE", f"/v1/sessions/{bob.id}", token=token).status == 404


async def test_a_token_is_renewed_from_any_node(pair: Pair) -> None:
    short = pair.application.token("bob", ttl=6)
    bob = Session(pair.one.url, short)
    pair.sessions.append(bob)
    await bob.login()
    path = f"/v1/sessions/{bob.id}"
    assert pair.two.request("PUT", path, token=pair.application.token("bob")).status == 200
    await asyncio.sleep(8)  # past the end of the first token: nothing is to happen, so nothing can be awaited
    assert not bob.heard("system:error:expired-token")


async def test_a_deleted_user_is_gone_everywhere(pair: Pair) -> None:
    bob = await pair.session("bob", pair.one)
    token = pair.application.token("bob")
    assert pair.one.request("GET", f"/v1/users/{bob.user_id}", token=token).status == 200
    assert pair.two.request("DELETE", f"/v1/users/{bob.user_id}", token=pair.application.token()).status in (200, 204)
    await bob.until(lambda: bob.disconnected, "DISCONNECT")
    poll(
        lambda: pair.one.request("GET", f"/v1/conversations/{pair.cid}", token=token).status == 401,
        SECONDS,
        "the token is void",
    )


@pytest.mark.parametrize("how", ["deleted", "rotated"])
async def test_an_application_that_ends_or_has_a_new_key_ends_its_sessions_everywhere(pair: Pair, how: str) -> None:
    bob = await pair.session("bob", pair.one)
    other = pair.two.application()
    path = f"/v2/applications/{pair.application.id}"
    if how == "deleted":
        assert pair.two.request("DELETE", path, basic=True).status == 204
    else:
        public = pair.two.request("GET", f"/v2/applications/{other.id}", basic=True).body["keys"]["public_key"]
        body = {"name": "test", "keys": {"public_key": public}}
        assert pair.two.request("PUT", path, body, basic=True).status == 200
    await bob.until(lambda: bob.disconnected, "DISCONNECT")
    poll(
        lambda: pair.one.request("GET", "/v1/users", token=pair.application.token()).status == 401,
        SECONDS,
        "the token is void",
    )


async def test_how_an_application_wants_its_texts_is_known_everywhere(pair: Pair) -> None:
    bob = await pair.session("bob", pair.two)
    body = {"name": "test", "settings": {"render_text": False}}
    assert pair.one.request("PUT", f"/v2/applications/{pair.application.id}", body, basic=True).status == 200
    message = {"type": "message", "body": {"message_type": "text", "text": "as it was made"}}
    message["from"] = pair.room.members["alice"]

    def is_message() -> bool:
        pair.post(pair.two, None, message)
        return bool(bob.heard("message"))

    for _ in range(100):
        if is_message():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it is still rendered as a text")


async def test_a_page_that_was_loaded_anew_hears_at_another_node_what_it_has_not_answered_for(pair: Pair) -> None:
    before = await pair.session("bob", pair.one)
    sent = [pair.text(pair.one, "alice", "perhaps unread")]
    await before.until(lambda: before.stored(pair.cid) == sent, "it")
    await before.drop()
    sent.append(pair.text(pair.two, "alice", "while away"))
    bob = Session(pair.two.url, pair.application.token("bob"))  # it knows its session, and of no offset
    bob.id = before.id
    pair.sessions.append(bob)
    await bob.login()
    sent.append(pair.text(pair.one, "alice", "back again"))
    await bob.until(lambda: bob.stored(pair.cid) == sent, "all of it")


async def test_a_page_that_was_loaded_anew_hears_at_another_node_what_its_left_connection_has_not_answered_for(
    pair: Pair,
) -> None:
    left = await pair.session("bob", pair.one)
    sent = [pair.text(at, "alice", f"perhaps unread {number}") for number, at in enumerate([pair.one, pair.two] * 3)]
    await left.until(lambda: left.stored(pair.cid) == sent, "it")
    bob = Session(pair.two.url, pair.application.token("bob"))  # the node it was at has not noticed that it went
    bob.id = left.id
    pair.sessions.append(bob)
    await bob.login()
    sent.append(pair.text(pair.one, "alice", "back again"))
    await bob.until(lambda: bob.stored(pair.cid) == sent, "all of it")
    await left.gone()


async def test_a_page_that_was_loaded_anew_hears_what_it_had_not_answered_for_when_its_node_was_stopped(
    mortal_pair: Pair,
) -> None:
    pair = mortal_pair
    left = await pair.session("bob", pair.one)
    sent = [pair.text(at, "alice", f"perhaps unread {number}") for number, at in enumerate([pair.one, pair.two] * 3)]
    await left.until(lambda: left.stored(pair.cid) == sent, "it")
    stopping = asyncio.create_task(asyncio.to_thread(pair.one.stop))
    await left.gone()
    bob = Session(
        pair.two.url, pair.application.token("bob")
    )  # before its node has written down that it went, or after
    bob.id = left.id
    pair.sessions.append(bob)
    await bob.login()
    sent.append(pair.text(pair.two, "alice", "back again"))
    await bob.until(lambda: bob.stored(pair.cid) == sent, "all of it")
    await stopping
