"""Client sessions over REST."""

from __future__ import annotations

import pytest

from legato.store.sessions import Admission, StoredSession, admit_sessions, find_session, release_sessions
from tests.wire.rest.stage import APPLICATION, OLD, OTHER, PREFIXES, URL, Stage

NODE = "node"


@pytest.fixture
async def session(stored: Stage) -> str:
    """A session of alice; bob exists."""
    user_id = await stored.user("alice")
    await stored.user("bob")
    row = StoredSession(
        id="SES-00000000-0000-4000-8000-000000000001",
        application_id=APPLICATION,
        user_id=user_id,
        dialect="classic",
        session_version="0.0.1",
        properties={},
        created_at=stored.clock.now(),
        node=NODE,
    )
    await stored.log.transact(lambda c: admit_sessions(c, [Admission("", row)], max_per_user=9))
    return row.id


async def test_a_users_sessions_are_listed_alike_in_every_generation(stored: Stage, session: str) -> None:
    user_id = (await stored.must("GET", "/v1/users/alice"))["id"]
    for prefix in PREFIXES:
        for named, as_ in (("me", "alice"), (user_id, "alice"), (user_id, None)):
            page = await stored.must("GET", f"/{prefix}/users/{named}/sessions", as_=as_)
            (item,) = page["_embedded"]["sessions"]
            assert item["id"] == session
            assert item["_embedded"]["user"] == {"id": user_id, "name": "alice"}
            assert item["_embedded"]["api_key"]
            assert item["_links"] == {"self": {"href": f"{URL}/{prefix}/sessions/{session}"}}


@pytest.mark.parametrize("raw", [b"", b'""', b"{}"])
async def test_a_session_gets_the_token_that_the_request_bears(stored: Stage, session: str, raw: bytes) -> None:
    token = stored.token("alice", ttl=60)
    answer = await stored.call("PUT", f"/v0.2/sessions/{session}", raw=raw, token=token)
    assert (answer.status, answer.body) == (200, {"session_id": session})
    ((refreshed, principal),) = stored.sessions.refreshed
    assert (refreshed, principal.expires_at) == (session, stored.clock.now() + 60)


async def test_a_session_that_waits_for_its_client_waits_as_long_again_when_it_is_touched(
    stored: Stage, session: str
) -> None:
    async def expires_at() -> float | None:
        row = await stored.log.read(lambda c: find_session(c, session))
        assert row is not None
        return row.expires_at

    answer = await stored.call("POST", f"/v0.3/sessions/{session}/touch", as_="alice")
    assert (answer.status, answer.body, await expires_at()) == (200, {}, None)  # it is connected
    for prefix, as_ in zip(PREFIXES, ("alice", None) * 3, strict=True):
        stored.clock.seconds += 600
        soon = stored.clock.now() + 60
        await stored.log.transact(lambda c, soon=soon: release_sessions(c, {session: None}, soon, NODE))
        answer = await stored.call("POST", f"/{prefix}/sessions/{session}/touch", as_=as_)
        assert (answer.status, answer.body) == (200, {})
        assert await expires_at() == stored.clock.now() + 900


async def test_a_session_is_ended(stored: Stage, session: str) -> None:
    for prefix in PREFIXES:
        answer = await stored.call("DELETE", f"/{prefix}/sessions/{session}", as_="alice")
        assert (answer.status, answer.body) == ((200, {}) if prefix in OLD else (204, None))
    assert stored.sessions.ended == [session] * len(PREFIXES)


async def test_somebody_elses_session_is_not_found(stored: Stage, session: str) -> None:
    for token in (stored.token("bob"), stored.token(application=OTHER)):
        for method, place in (("PUT", ""), ("POST", "/touch"), ("DELETE", "")):
            answer = await stored.call(method, f"/v0.2/sessions/{session}{place}", token=token)
            assert (answer.status, answer.body["code"]) == (404, "session:error:not-found")
    assert (await stored.call("DELETE", "/v0.2/sessions/SES-0", as_="alice")).status == 404
    assert stored.sessions.ended == []


async def test_an_applications_token_cannot_take_the_place_of_a_users(stored: Stage, session: str) -> None:
    answer = await stored.call("PUT", f"/v0.2/sessions/{session}")
    assert (answer.status, answer.body["code"]) == (403, "system:error:permission")
    assert stored.sessions.refreshed == []
