"""Logging in: what each of the platform's clients needs to see, and what it is told when it may not."""

from __future__ import annotations

from .stage import Stage


async def test_the_answer_to_a_login_names_session_user_and_account(either: Stage) -> None:
    alice = await either.person("alice")
    client = await either.login("alice")
    (success,) = client.events
    assert success.type == "session:success"
    assert success.payload == {
        "body": {
            "id": client.id,
            "user_id": alice.id,
            "name": "alice",
            "api_key": "a1b2c3d4",
            "pending_events": [],
        }
    }
    assert success.offset is None
