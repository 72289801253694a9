"""Members, in both spellings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.rest.stage import NEW, OLD, OTHER, PREFIXES, URL, Stage

APP = {"type": "app"}


def wanted(prefix: str, name: str, *, joins: bool) -> dict[str, Any]:
    """The body that invites or joins, as the generation spells it."""
    if prefix in OLD:
        return {"user_name": name, "action": "join" if joins else "invite", "channel": APP}
    return {"user": {"name": name}, "state": "joined" if joins else "invited", "channel": APP}


async def furnished(stage: Stage) -> str:
    """A conversation; alice and bob exist, alice has joined."""
    await stage.user("alice", display_name="Alice")
    await stage.user("bob", display_name="Bob")
    cid = await stage.conversation("room")
    await stage.join(cid, "alice")
    return cid


@pytest.fixture
async def room(api: Stage) -> str:
    """Such a conversation, on SQLite."""
    return await furnished(api)


@pytest.fixture
async def stored_room(stored: Stage) -> str:
    """The same on each store."""
    return await furnished(stored)


@pytest.mark.parametrize("prefix", NEW)
async def test_who_joins_is_answered_a_whole_member(api: Stage, room: str, prefix: str) -> None:
    answer = await api.call(
        "POST", f"/{prefix}/conversations/{room}/members", wanted(prefix, "bob", joins=True), as_="bob"
    )
    assert answer.status == 201
    member = answer.body
    bob = (await api.must("GET", "/v1/users/bob"))["id"]
    assert (member["state"], member["conversation_id"], member["channel"]) == ("JOINED", room, APP)
    assert member["timestamp"] == {"joined": "2027-01-15T08:00:00.000Z"}
    assert member["initiator"] == {"joined": {"is_system": False, "user_id": bob, "member_id": member["id"]}}
    links = {"self": {"href": f"{URL}/{prefix}/users/{bob}"}}
    assert member["_embedded"]["user"] == {"id": bob, "name": "bob", "display_name": "Bob", "_links": links}
    href = f"{URL}/{prefix}/conversations/{room}/members/{member['id']}"
    assert member["_links"] == {"href": href, "self": {"href": href}}
    assert "type" not in member
    assert await api.must("GET", f"/{prefix}/conversations/{room}/members/me", as_="bob") == member


@pytest.mark.parametrize("prefix", OLD)
async def test_who_joins_is_answered_a_flat_member_in_the_old_generations(api: Stage, room: str, prefix: str) -> None:
    answer = await api.call(
        "POST", f"/{prefix}/conversations/{room}/members", wanted(prefix, "bob", joins=True), as_="bob"
    )
    assert answer.status == 200
    member = answer.body
    assert (member["state"], member["name"], member["display_name"]) == ("JOINED", "bob", "Bob")
    assert member["initiator"]["joined"]["isSystem"] is False
    assert member["href"] == f"{URL}/{prefix}/conversations/{room}/members/{member['id']}"
    assert await api.must("GET", f"/{prefix}/conversations/{room}/members/{member['id']}") == member


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_invitation_is_accepted_under_the_same_id_by_posting_again(api: Stage, room: str, prefix: str) -> None:
    path = f"/{prefix}/conversations/{room}/members"
    invited = await api.must("POST", path, wanted(prefix, "bob", joins=False), as_="alice")
    assert (invited["state"], set(invited["timestamp"])) == ("INVITED", {"invited"})
    me = await api.must("GET", f"{path}/me", as_="bob")
    assert (me["id"], me["state"]) == (invited["id"], "INVITED")
    joined = await api.must("POST", path, wanted(prefix, "bob", joins=True), as_="bob")
    assert (joined["id"], joined["state"]) == (invited["id"], "JOINED")
    assert set(joined["timestamp"]) == {"invited", "joined"}
    alice = (await api.must("GET", "/v1/users/alice"))["id"]
    assert (await api.must("GET", f"{path}/{joined['id']}"))["invited_by"] == alice


async def test_an_old_invitation_is_accepted_by_member_id(api: Stage) -> None:
    await api.user("bob")
    cid = await api.conversation()
    path = f"/v0.1/conversations/{cid}/members"
    invited = await api.must("POST", path, wanted("v0.1", "bob", joins=False))
    body = {**wanted("v0.1", "bob", joins=True), "member_id": invited["id"]}
    assert (await api.must("POST", path, body, as_="bob"))["id"] == invited["id"]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_invitation_is_accepted_by_changing_the_member(api: Stage, room: str, prefix: str) -> None:
    path = f"/{prefix}/conversations/{room}/members"
    invited = await api.must("POST", path, wanted(prefix, "bob", joins=False), as_="alice")
    body = {"action": "join", "channel": APP} if prefix in OLD else {"state": "joined", "channel": APP}
    answer = await api.call("PUT", f"{path}/{invited['id']}", {**body, "from": invited["id"]}, as_="bob")
    assert (answer.status, answer.body["id"]) == (200, invited["id"])
    if prefix in OLD:
        assert answer.body == {"id": invited["id"], "href": f"{URL}{path}/{invited['id']}"}
    else:
        assert answer.body["state"] == "JOINED"
    assert (await api.must("GET", f"{path}/me", as_="bob"))["state"] == "JOINED"


@pytest.mark.parametrize("prefix", NEW)
async def test_a_patch_can_say_left_with_a_reason(api: Stage, room: str, prefix: str) -> None:
    path = f"/{prefix}/conversations/{room}/members"
    mine = (await api.must("GET", f"{path}/me", as_="alice"))["id"]
    body = {"state": "left", "from": mine, "reason": {"code": "1", "text": "bye"}}
    left = await api.must("PATCH", f"{path}/{mine}", body, as_="alice")
    assert (left["state"], set(left["timestamp"])) == ("LEFT", {"joined", "left"})
    assert api.heard[-1].event.body["reason"] == {"code": "1", "text": "bye"}
    assert (await api.must("GET", f"{path}/{mine}"))["state"] == "LEFT"


@pytest.mark.parametrize(("prefix", "status", "body"), [*((p, 200, {}) for p in OLD), *((p, 204, None) for p in NEW)])
async def test_a_member_is_removed_with_the_reason_of_the_query(
    api: Stage, room: str, prefix: str, status: int, body: object
) -> None:
    path = f"/{prefix}/conversations/{room}/members"
    mine = (await api.must("GET", f"{path}/me", as_="alice"))["id"]
    query = f"?from={mine}&reason_code=REMOTE_REJECT&reason_text=call-rejected-by-callee"
    answer = await api.call("DELETE", f"{path}/{mine}{query}", as_="alice")
    assert (answer.status, answer.body) == (status, body)
    assert api.heard[-1].event.body["reason"] == {"code": "REMOTE_REJECT", "text": "call-rejected-by-callee"}
    missing = await api.call("GET", f"{path}/me", as_="alice")
    assert (missing.status, missing.body["code"]) == (404, "member:error:not-found")


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_leaving_twice_is_refused_with_the_code_that_hang_up_expects(api: Stage, room: str, prefix: str) -> None:
    path = f"/{prefix}/conversations/{room}/members"
    mine = (await api.must("GET", f"{path}/me", as_="alice"))["id"]
    await api.must("DELETE", f"{path}/{mine}", as_="alice")
    again = await api.call("DELETE", f"{path}/{mine}", as_="alice")
    assert (again.status, again.body["code"]) == (400, "conversation:error:invalid-member-state")
    back = {"action": "join", "channel": APP} if prefix in OLD else {"state": "joined"}
    undone = await api.call("PUT", f"{path}/{mine}", back, as_="alice")
    assert (undone.status, undone.body["code"]) == (400, "conversation:error:invalid-member-state")


async def test_who_left_joins_again_as_a_new_member(stored: Stage, stored_room: str) -> None:
    path = f"/v0.3/conversations/{stored_room}/members"
    first = (await stored.must("GET", f"{path}/me", as_="alice"))["id"]
    await stored.must("DELETE", f"{path}/{first}", as_="alice")
    second = await stored.join(stored_room, "alice")
    assert second != first
    page = await stored.must("GET", path)
    states = [(member["id"], member["state"]) for member in page["_embedded"]["members"]]
    assert states == [(first, "LEFT"), (second, "JOINED")]
    beta = await stored.must("GET", f"/beta/conversations/{stored_room}/members")
    assert [(member["id"], member["state"]) for member in beta] == states


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_second_join_is_refused(api: Stage, room: str, prefix: str) -> None:
    answer = await api.call(
        "POST", f"/{prefix}/conversations/{room}/members", wanted(prefix, "alice", joins=True), as_="alice"
    )
    assert (answer.status, answer.body["code"]) == (400, "conversation:error:member-already-joined")


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_unknown_user_cannot_be_invited(api: Stage, room: str, prefix: str) -> None:
    answer = await api.call(
        "POST", f"/{prefix}/conversations/{room}/members", wanted(prefix, "nobody", joins=False), as_="alice"
    )
    assert (answer.status, answer.body["code"]) == (404, "user:error:not-found")


async def test_another_applications_user_cannot_be_invited(api: Stage) -> None:
    stranger = await api.must("POST", "/v1/users", {"name": "eve"}, token=api.token(application=OTHER))
    cid = await api.conversation()
    body = {"user": {"id": stranger["id"]}, "state": "invited", "channel": APP}
    answer = await api.call("POST", f"/v1/conversations/{cid}/members", body)
    assert (answer.status, answer.body["code"]) == (404, "user:error:not-found")


async def test_a_user_adds_others_only_from_inside(api: Stage, room: str) -> None:
    for joins in (True, False):
        answer = await api.call(
            "POST", f"/v1/conversations/{room}/members", wanted("v1", "alice", joins=joins), as_="bob"
        )
        assert answer.status in (400, 403)
    body = {**wanted("v1", "bob", joins=False), "from": "MEM-00000000-0000-4000-8000-000000000000"}
    answer = await api.call("POST", f"/v1/conversations/{room}/members", body, as_="alice")
    assert answer.status == 403


async def test_a_member_of_another_conversation_is_not_found(stored: Stage, stored_room: str) -> None:
    other = await stored.conversation("other")
    member_id = (await stored.must("GET", f"/v1/conversations/{stored_room}/members/me", as_="alice"))["id"]
    for method in ("GET", "DELETE", "PATCH"):
        answer = await stored.call(method, f"/v1/conversations/{other}/members/{member_id}", {"state": "left"})
        assert (answer.status, answer.body["code"]) == (404, "member:error:not-found")
    assert (await stored.call("GET", f"/v1/conversations/{stored_room}/members/me")).status == 404


async def test_the_hundred_and_first_member_is_refused(api: Stage) -> None:
    cid = await api.conversation()
    for number in range(100):
        await api.user(f"u{number}")
        await api.join(cid, f"u{number}")
    await api.user("late")
    answer = await api.call("POST", f"/v1/conversations/{cid}/members", wanted("v1", "late", joins=True), as_="late")
    assert (answer.status, answer.body["code"]) == (400, "conversation:error:maximum-number-of-members")
    assert len(await api.must("GET", f"/beta/conversations/{cid}/members")) == 100
    await api.must("DELETE", f"/v1/conversations/{cid}/members/me", as_="u7")
    await api.join(cid, "late")


async def test_the_list_has_each_generations_envelope(stored: Stage, stored_room: str) -> None:
    (beta,) = await stored.must("GET", f"/beta/conversations/{stored_room}/members")
    old = await stored.must("GET", f"/beta2/conversations/{stored_room}/members?event_type=text")
    assert set(old) == {"page_size", "cursor", "_links", "_embedded"}
    (item,) = old["_embedded"]["data"]["members"]
    assert (item["id"], item["name"], item["user_id"]) == (beta["id"], beta["name"], beta["user_id"])
    for prefix in NEW:
        page = await stored.must("GET", f"/{prefix}/conversations/{stored_room}/members")
        (item,) = page["_embedded"]["members"]
        assert (item["id"], item["state"]) == (beta["id"], "JOINED")
        assert item["_embedded"]["user"]["name"] == "alice"


BAD = [
    ({"state": "joined", "channel": APP}, "user", "is required"),
    ({"user": {"name": "bob"}, "channel": APP}, "state", "is required"),
    ({"user": {"name": "bob"}, "state": "left", "channel": APP}, "state", "must be one of the documented values"),
    ({"user": {"name": "bob"}, "state": "joined"}, "channel", "is required"),
    ({"user": {"name": "bob"}, "state": "joined", "channel": "app"}, "channel", "must be an object"),
    ({"user": {"name": 7}, "state": "joined", "channel": APP}, "user.name", "must be a string"),
    ({"user": {}, "state": "joined", "channel": APP}, "user", "must have an id or a name"),
    ({"user": {"name": "bob"}, "state": "joined", "channel": {"type": "pigeon"}}, "channel.type", None),
    ({"user": {"name": "bob"}, "state": "joined", "channel": {"type": 7}}, "channel.type", None),
    ({"user": {"name": "bob"}, "state": "invited", "channel": APP, "media": []}, "media", "must be an object"),
    (
        {"user": {"name": "bob"}, "state": "invited", "channel": APP, "media": {"audio_settings": 7}},
        "media.audio_settings",
        None,
    ),
]


@pytest.mark.parametrize(("body", "name", "reason"), BAD)
async def test_a_bad_member_is_refused_by_field(api: Stage, body: object, name: str, reason: str | None) -> None:
    await api.user("bob")
    cid = await api.conversation()
    answer = await api.call("POST", f"/v0.3/conversations/{cid}/members", body)
    assert (answer.status, answer.body["code"]) == (400, "http:error:validation-fail")
    (parameter,) = answer.body["invalid_parameters"]
    assert parameter["name"] == name
    assert reason is None or parameter["reason"] == f'"{name}" {reason}'
    assert (await api.must("GET", f"/v0.3/conversations/{cid}"))["sequence_number"] == 0


async def test_audio_settings_may_be_null(api: Stage, room: str) -> None:
    await api.user("carol")
    path = f"/v1/conversations/{room}/members"
    body = {"user": {"name": "carol"}, "state": "invited", "channel": APP, "media": {"audio_settings": None}}
    invited = await api.must("POST", path, body)
    assert invited["media"]["audio_settings"]["enabled"] is False
    change = {"state": "joined", "channel": APP, "media": {"audio_settings": None}}
    assert (await api.must("PATCH", f"{path}/{invited['id']}", change, as_="carol"))["state"] == "JOINED"


async def test_a_channel_that_nothing_can_perform_is_not_available(api: Stage) -> None:
    await api.user("bob")
    cid = await api.conversation()
    phone = {"user": {"name": "bob"}, "state": "invited", "channel": {"type": "phone", "to": {"type": "phone"}}}
    answer = await api.call("POST", f"/v0.3/conversations/{cid}/members", phone)
    assert (answer.status, answer.body["code"]) == (501, "system:error:not-available")
