"""``Idempotency-Key``: a request sent again is answered like the first and changes nothing."""

from __future__ import annotations

import pytest

from legato.log import Upkeep
from tests.wire.rest.stage import OTHER, Stage

KEY = {"idempotency-key": "d1f0c9d2"}


@pytest.fixture
async def room(stored: Stage) -> str:
    """A conversation that alice has joined."""
    for name in ("alice", "bob"):
        await stored.user(name)
    cid = await stored.conversation("room")
    await stored.join(cid, "alice")
    return cid


async def test_a_repeated_creation_is_answered_like_the_first(stored: Stage, room: str) -> None:
    invite = {"user": {"name": "bob"}, "state": "invited", "channel": {"type": "app"}}
    text = {"type": "text", "body": {"text": "once"}}
    for number, (path, body, as_) in enumerate(
        (
            ("/v1/users", {"name": "carol"}, None),
            ("/v0.3/conversations", {"name": "other"}, "alice"),
            (f"/v1/conversations/{room}/members", invite, "alice"),
            (f"/beta/conversations/{room}/events", text, "alice"),
            (f"/v1/conversations/{room}/events", text, "alice"),
        )
    ):
        headers = {"idempotency-key": f"key-{number}"}
        first = await stored.call("POST", path, body, as_=as_, headers=headers)
        again = await stored.call("POST", path, body, as_=as_, headers=headers)
        assert first.status in (200, 201)
        assert (again.status, again.body) == (first.status, first.body)
    assert (await stored.must("GET", f"/v1/conversations/{room}"))["sequence_number"] == 4


async def test_the_same_key_with_another_body_is_a_conflict(stored: Stage, room: str) -> None:
    first = await stored.call("POST", "/v1/conversations", {"name": "one"}, headers=KEY)
    other = await stored.call("POST", "/v1/conversations", {"name": "two"}, headers=KEY)
    elsewhere = await stored.call("POST", "/v1/users", {"name": "one"}, headers=KEY)
    assert (first.status, other.status, elsewhere.status) == (201, 409, 409)
    assert (await stored.call("GET", "/v1/conversations/two")).status == 404


async def test_each_user_and_application_has_keys_of_its_own(stored: Stage, room: str) -> None:
    for token in (stored.token("alice"), stored.token("bob"), stored.token(), stored.token(application=OTHER)):
        answer = await stored.call("POST", "/v1/conversations", {}, token=token, headers=KEY)
        assert answer.status == 201
    assert (await stored.must("GET", "/beta/conversations"))["count"] == 4


async def test_a_refused_request_does_not_use_its_key_up(stored: Stage, room: str) -> None:
    refused = await stored.call("POST", "/v1/conversations", {"name": "room"}, headers=KEY)
    assert refused.status == 400
    await stored.must("DELETE", f"/v1/conversations/{room}")
    again = await stored.call("POST", "/v1/conversations", {"name": "room"}, headers=KEY)
    assert again.status == 201


async def test_a_key_is_kept_for_a_day_and_free_afterwards(stored: Stage, room: str) -> None:
    day = 24 * 3600
    upkeep = Upkeep(stored.log)
    for number, path in enumerate(("/v1/conversations", "/v1/users")):  # a command, and rows beside the log
        headers = {"idempotency-key": f"key-{number}"}
        first = await stored.must("POST", path, {"name": "first"}, headers=headers)
        stored.clock.seconds += day
        await upkeep.once()
        assert await stored.must("POST", path, {"name": "first"}, headers=headers) == first
        assert (await stored.call("POST", path, {"name": "second"}, headers=headers)).status == 409
        stored.clock.seconds += 1
        await upkeep.once()
        second = await stored.must("POST", path, {"name": "second"}, headers=headers)
        assert second["id"] != first["id"]


async def test_a_key_is_printable_and_short(api: Stage) -> None:
    for key in ("", " ", "x" * 256, "a\tb"):
        answer = await api.call("POST", "/v1/conversations", {}, headers={"idempotency-key": key})
        assert (answer.status, answer.body["code"]) == (400, "http:error:validation-fail")
