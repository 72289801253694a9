"""Two requests at once about one thing: exactly one outcome, and the log explains it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.wire.rest.stage import Stage

APP = {"type": "app"}


def codes(answers: list[Any]) -> list[str]:
    """The codes of the answers, sorted; a success is empty."""
    return sorted("" if answer.status < 300 else answer.body["code"] for answer in answers)


async def types(api: Stage, cid: str) -> list[str]:
    """The types of the whole log."""
    return [event["type"] for event in await api.must("GET", f"/beta/conversations/{cid}/events")]


async def test_of_two_joins_one_joins(stored: Stage) -> None:
    await stored.user("alice")
    cid = await stored.conversation()
    body = {"user": {"name": "alice"}, "state": "joined", "channel": APP}
    path = f"/v1/conversations/{cid}/members"
    answers = await asyncio.gather(*(stored.call("POST", path, body, as_="alice") for _ in range(5)))
    assert codes(answers) == [""] + ["conversation:error:member-already-joined"] * 4
    assert await types(stored, cid) == ["member:joined"]


async def test_of_two_accepts_one_accepts(stored: Stage) -> None:
    await stored.user("alice")
    cid = await stored.conversation()
    path = f"/v1/conversations/{cid}/members"
    invite = {"user": {"name": "alice"}, "state": "invited", "channel": APP}
    member_id = (await stored.must("POST", path, invite))["id"]
    accept = {"state": "joined", "channel": APP}
    answers = await asyncio.gather(*(stored.call("PUT", f"{path}/{member_id}", accept, as_="alice") for _ in range(5)))
    assert codes(answers).count("") == 1
    assert await types(stored, cid) == ["member:invited", "member:joined"]


async def test_a_text_and_a_kick_come_in_one_order(stored: Stage) -> None:
    for name in ("alice", "bob"):
        await stored.user(name)
    cid = await stored.conversation()
    members = {name: await stored.join(cid, name) for name in ("alice", "bob")}
    text = {"type": "text", "body": {"text": "hi"}}
    answers = await asyncio.gather(
        stored.call("POST", f"/v1/conversations/{cid}/events", text, as_="bob"),
        stored.call("DELETE", f"/v1/conversations/{cid}/members/{members['bob']}", as_="alice"),
        stored.call("POST", f"/v1/conversations/{cid}/events", text, as_="bob"),
    )
    assert answers[1].status == 204
    log = await types(stored, cid)
    posted = [answer for answer in (answers[0], answers[2]) if answer.status == 201]
    assert log.count("text") == len(posted)
    assert "text" not in log[log.index("member:left") :]


async def test_of_two_conversations_of_a_name_one_is_made(stored: Stage) -> None:
    answers = await asyncio.gather(*(stored.call("POST", "/v1/conversations", {"name": "room"}) for _ in range(5)))
    assert codes(answers) == [""] + ["conversation:error:duplicate-name"] * 4


async def test_of_two_users_of_a_name_one_is_made(stored: Stage) -> None:
    answers = await asyncio.gather(*(stored.call("POST", "/v1/users", {"name": "alice"}) for _ in range(5)))
    assert codes(answers) == [""] + ["user:error:duplicate-name"] * 4


async def test_of_two_for_the_last_place_one_gets_it(stored: Stage) -> None:
    cid = await stored.conversation()
    for number in range(99):
        await stored.user(f"u{number}")
        await stored.join(cid, f"u{number}")
    for name in ("alice", "bob"):
        await stored.user(name)
    answers = await asyncio.gather(
        *(
            stored.call(
                "POST",
                f"/v1/conversations/{cid}/members",
                {"user": {"name": name}, "state": "joined", "channel": APP},
                as_=name,
            )
            for name in ("alice", "bob")
        )
    )
    assert codes(answers) == ["", "conversation:error:maximum-number-of-members"]
    assert len(await types(stored, cid)) == 100


async def test_who_joins_while_being_deleted_is_in_no_conversation(stored: Stage) -> None:
    user_id = await stored.user("alice")
    places = [await stored.conversation() for _ in range(8)]
    body = {"user": {"id": user_id}, "state": "joined", "channel": APP}
    joins = [stored.call("POST", f"/v1/conversations/{cid}/members", body, as_="alice") for cid in places * 2]
    deletion = stored.call("DELETE", f"/v1/users/{user_id}")
    answers = await asyncio.gather(*joins[:8], deletion, *joins[8:])
    assert answers[8].status == 204
    assert {answer.status for answer in answers[9:]} <= {201, 400, 401, 404}
    for cid in places:
        listed = await stored.must("GET", f"/v1/conversations/{cid}/members")
        assert {member["state"] for member in listed["_embedded"]["members"]} <= {"LEFT"}


async def test_of_two_receipts_one_is_kept(stored: Stage) -> None:
    for name in ("alice", "bob"):
        await stored.user(name)
    cid = await stored.conversation()
    for name in ("alice", "bob"):
        await stored.join(cid, name)
    event_id = await stored.say(cid, "alice", "hi")
    seen = {"type": "text:seen", "body": {"event_id": event_id}}
    path = f"/v1/conversations/{cid}/events"
    answers = await asyncio.gather(*(stored.call("POST", path, seen, as_="bob") for _ in range(5)))
    assert {answer.body["id"] for answer in answers} == {4}
    assert await types(stored, cid) == ["member:joined", "member:joined", "text", "text:seen"]


async def test_a_delete_and_receipts_leave_a_blanked_event(stored: Stage) -> None:
    for name in ("alice", "bob"):
        await stored.user(name)
    cid = await stored.conversation()
    for name in ("alice", "bob"):
        await stored.join(cid, name)
    event_id = await stored.say(cid, "alice", "hi")
    path = f"/v1/conversations/{cid}/events"
    seen = {"type": "text:seen", "body": {"event_id": event_id}}
    deleted, again, receipt = await asyncio.gather(
        stored.call("DELETE", f"{path}/{event_id}", as_="alice"),
        stored.call("DELETE", f"{path}/{event_id}", as_="alice"),
        stored.call("POST", path, seen, as_="bob"),
    )
    assert (deleted.status, again.status, receipt.status) == (204, 204, 201)
    assert sorted(await types(stored, cid)) == sorted(
        ["member:joined", "member:joined", "text", "event:delete", "text:seen"]
    )
    assert set((await stored.must("GET", f"{path}/{event_id}"))["body"]) == {"timestamp"}


async def test_one_key_sent_twice_at_once_makes_one_thing(stored: Stage) -> None:
    headers = {"idempotency-key": "once"}
    for path, body in (("/v1/conversations", {"name": "room"}), ("/v1/users", {"name": "alice"})):
        key = {"idempotency-key": headers["idempotency-key"] + path}
        answers = await asyncio.gather(*(stored.call("POST", path, body, headers=key) for _ in range(4)))
        assert {(answer.status, answer.body["id"]) for answer in answers} == {(201, answers[0].body["id"])}


async def test_a_nul_character_reaches_no_store(stored: Stage) -> None:
    await stored.user("alice")
    cid = await stored.conversation("room")
    path = f"/v1/conversations/{cid}"
    invite = {"user": {"name": "alice"}, "state": "invited", "channel": APP}
    good = [stored.call("POST", f"{path}/events", {"type": "custom:x", "body": {"text": "a\x00b"}}) for _ in range(3)]
    bad = [
        stored.call("POST", "/v1/conversations/CON-%00/events", {"type": "custom:x", "body": {}}),
        stored.call("POST", f"{path}/events", {"type": "custom:x", "body": {}, "from": "MEM-\x00"}),
        stored.call("POST", f"{path}/events", {"type": "custom:x\x00", "body": {}}),
        stored.call("DELETE", f"{path}/members/MEM-%00"),
        stored.call("DELETE", f"{path}/members/MEM-1?from=%00"),
        stored.call("POST", f"{path}/members", {**invite, "knocking_id": "\x00"}),
        stored.call("POST", f"{path}/members", {**invite, "user": {"name": "\x00"}}),
        stored.call("GET", "/v1/users/%00"),
        stored.call("GET", "/v1/users?name=%00"),
        stored.call("GET", "/v1/conversations?name=%00"),
        stored.call("GET", f"{path}/events?event_type=%00"),
        stored.call("DELETE", "/v0.2/sessions/%00"),
    ]
    answers = await asyncio.gather(*good, *bad)
    assert [answer.status for answer in answers[:3]] == [201, 201, 201]
    assert {answer.status for answer in answers[3:]} <= {400, 403, 404}
    event = await stored.must("GET", f"{path}/events/1")
    assert event["body"] == {"text": "a\x00b"}
