"""Conversations, in every generation."""

from __future__ import annotations

import pytest

from tests.wire.rest.stage import NEW, OLD, OTHER, PREFIXES, URL, Stage


@pytest.mark.parametrize("prefix", NEW)
async def test_a_new_conversation_is_answered_whole(api: Stage, prefix: str) -> None:
    fields = {"name": "room", "display_name": "Room", "image_url": "https://x.example/a", "properties": {"ttl": 60}}
    answer = await api.call("POST", f"/{prefix}/conversations", fields)
    assert answer.status == 201
    made = answer.body
    assert (made["state"], made["sequence_number"], made["properties"]) == ("ACTIVE", 0, {"ttl": 60})
    assert made["_links"]["self"]["href"] == f"{URL}/{prefix}/conversations/{made['id']}"
    assert "_embedded" not in made
    assert await api.must("GET", f"/{prefix}/conversations/{made['id']}") == made


@pytest.mark.parametrize("prefix", OLD)
async def test_a_new_conversation_is_answered_by_reference_in_the_old_generations(api: Stage, prefix: str) -> None:
    answer = await api.call("POST", f"/{prefix}/conversations", {"display_name": "Room", "anything": 1})
    assert answer.status == 200
    assert answer.body == {"id": answer.body["id"], "href": f"{URL}/{prefix}/conversations/{answer.body['id']}"}


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_empty_body_makes_a_conversation_with_a_made_up_name(api: Stage, prefix: str) -> None:
    for raw in (b"{}", b""):
        cid = (await api.must("POST", f"/{prefix}/conversations", raw=raw))["id"]
        assert (await api.must("GET", f"/v1/conversations/{cid}"))["name"].startswith("NAM-")


async def test_the_oldest_generation_reads_uuid_and_members(stored: Stage) -> None:
    user_id = await stored.user("alice", display_name="Alice")
    cid = await stored.conversation("room")
    member_id = await stored.join(cid, "alice")
    found = await stored.must("GET", f"/beta/conversations/{cid}", as_="alice")
    assert (found["uuid"], found["sequence_number"]) == (cid, 1)
    (member,) = found["members"]
    assert (member["member_id"], member["user_id"], member["name"]) == (member_id, user_id, "alice")
    assert (member["state"], member["display_name"]) == ("JOINED", "Alice")
    assert "type" not in member
    second = await stored.must("GET", f"/v0.2/conversations/{cid}", as_="alice")
    assert (second["id"], "members" in second, "uuid" in second) == (cid, False, False)


async def test_who_is_in_a_conversation_is_told_whoever_has_left_it(
    stored: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("conversations", "members"):
        monkeypatch.setattr(f"legato.api.{module}.MAX_WHOLE", 4)
    cid = await stored.conversation("room")
    for name in ("alice", "bob", "carol"):
        await stored.user(name)
    for _ in range(4):
        await stored.join(cid, "alice")
        await stored.must("DELETE", f"/v1/conversations/{cid}/members/me", as_="alice")
    path = f"/beta/conversations/{cid}"
    invited = {"action": "invite", "user_name": "bob", "channel": {"type": "app"}}
    bob = (await stored.must("POST", f"{path}/members", invited))["id"]
    carol = await stored.join(cid, "carol")
    found = (await stored.must("GET", path))["members"]
    assert [member["state"] for member in found] == ["INVITED", "JOINED", "LEFT", "LEFT"]
    assert [member["member_id"] for member in found[:2]] == [bob, carol]
    listed = await stored.must("GET", f"{path}/members")
    assert [member["state"] for member in listed] == ["LEFT", "LEFT", "INVITED", "JOINED"]
    fallen = await stored.must("GET", f"{path}/members?order=desc")
    assert [member["id"] for member in fallen] == [member["id"] for member in reversed(listed)]


@pytest.mark.parametrize("prefix", NEW)
async def test_a_users_token_also_reads_its_member_and_media(api: Stage, prefix: str) -> None:
    await api.user("alice")
    cid = await api.conversation("room")
    silent = dict.fromkeys(("mute", "earmuff", "play_stream", "tts", "recording", "transcribing"), False)
    before = await api.must("GET", f"/{prefix}/conversations/{cid}", as_="alice")
    assert before["media_state"] == silent
    assert "_embedded" not in before
    member_id = await api.join(cid, "alice")
    found = await api.must("GET", f"/{prefix}/conversations/room", as_="alice")
    member = found["_embedded"]["member"]
    assert (found["id"], member["id"], member["state"]) == (cid, member_id, "JOINED")
    assert member["_embedded"]["user"]["name"] == "alice"


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_conversation_is_found_by_name(api: Stage, prefix: str) -> None:
    await api.conversation("a room/of one's own")
    found = await api.must("GET", f"/{prefix}/conversations/a%20room%2Fof%20one's%20own")
    assert found["name"] == "a room/of one's own"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_another_applications_conversation_is_not_found(stored: Stage, method: str) -> None:
    cid = await stored.conversation("room")
    for named in (cid, "room"):
        answer = await stored.call(
            method, f"/v1/conversations/{named}", {"display_name": "X"}, token=stored.token(application=OTHER)
        )
        assert (answer.status, answer.body["code"]) == (404, "conversation:error:not-found")
    assert (await stored.must("GET", f"/v1/conversations/{cid}"))["display_name"] is None


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_second_conversation_of_a_name_is_refused(api: Stage, prefix: str) -> None:
    await api.conversation("room")
    answer = await api.call("POST", f"/{prefix}/conversations", {"name": "room"})
    assert (answer.status, answer.body["code"]) == (400, "conversation:error:duplicate-name")


async def test_properties_are_bounded_as_a_whole(stored: Stage) -> None:
    cid = await stored.conversation("room", properties={"a": "x" * 10_000})
    for prefix, method in (*((prefix, "PUT") for prefix in PREFIXES), *((prefix, "PATCH") for prefix in NEW)):
        path = f"/{prefix}/conversations/{cid}"
        answer = await stored.call(method, path, {"properties": {"b": "x" * 10_000}})
        assert (answer.status, answer.body["code"]) == (400, "custom-data:error:max-data-sum-limit-exceeded")
    changed = await stored.must("PUT", f"/v1/conversations/{cid}", {"properties": {"a": None, "b": "x" * 10_000}})
    assert set(changed["properties"]) == {"b"}
    assert changed["sequence_number"] == 1


async def test_no_conversation_is_named_as_anothers_id(stored: Stage) -> None:
    cid, other = await stored.conversation("room"), await stored.conversation("other")
    for method, path in (
        *(("POST", f"/{prefix}/conversations") for prefix in PREFIXES),
        *(("PUT", f"/{prefix}/conversations/{other}") for prefix in PREFIXES),
        *(("PATCH", f"/{prefix}/conversations/{other}") for prefix in NEW),
    ):
        answer = await stored.call(method, path, {"name": cid})
        assert (answer.status, answer.body["code"]) == (400, "http:error:validation-fail"), path
    assert (await stored.call("DELETE", f"/v1/conversations/{cid}")).status == 204


@pytest.mark.parametrize(("method", "prefix"), [("PUT", p) for p in NEW] + [("PATCH", p) for p in NEW])
async def test_a_change_merges_and_null_clears(stored: Stage, method: str, prefix: str) -> None:
    cid = await stored.conversation("room", display_name="Room", properties={"ttl": 60, "custom_data": {"a": 1}})
    changed = await stored.must(
        method, f"/{prefix}/conversations/{cid}", {"display_name": None, "properties": {"custom_sort_key": "k"}}
    )
    assert changed["display_name"] is None
    assert changed["properties"] == {"ttl": 60, "custom_data": {"a": 1}, "custom_sort_key": "k"}
    assert changed["sequence_number"] == 1
    assert await stored.must("GET", f"/{prefix}/conversations/{cid}") == changed
    same = await stored.must(method, f"/{prefix}/conversations/{cid}", {"display_name": None})
    assert same["sequence_number"] == 1


@pytest.mark.parametrize("prefix", OLD)
async def test_a_change_is_answered_by_reference_in_the_old_generations(api: Stage, prefix: str) -> None:
    cid = await api.conversation("room")
    answer = await api.call("PUT", f"/{prefix}/conversations/{cid}", {"display_name": "Room"})
    assert (answer.status, answer.body) == (200, {"id": cid, "href": f"{URL}/{prefix}/conversations/{cid}"})
    assert (await api.must("GET", f"/v1/conversations/{cid}"))["display_name"] == "Room"


async def test_a_change_by_a_member_tells_that_members_place(api: Stage) -> None:
    await api.user("alice")
    cid = await api.conversation("room")
    member_id = await api.join(cid, "alice")
    changed = await api.must("PATCH", f"/v0.3/conversations/{cid}", {"display_name": "R"}, as_="alice")
    assert changed["_embedded"]["member"]["id"] == member_id


async def test_an_outsider_changes_and_deletes_nothing(api: Stage) -> None:
    await api.user("alice")
    cid = await api.conversation("room")
    for method in ("PATCH", "DELETE"):
        answer = await api.call(method, f"/v0.3/conversations/{cid}", {"display_name": "R"}, as_="alice")
        assert (answer.status, answer.body["code"]) == (403, "system:error:permission")
    assert (await api.must("GET", f"/v0.3/conversations/{cid}"))["display_name"] is None


@pytest.mark.parametrize(("prefix", "status", "body"), [*((p, 200, {}) for p in OLD), *((p, 204, None) for p in NEW)])
async def test_a_deleted_conversation_is_not_found(api: Stage, prefix: str, status: int, body: object) -> None:
    cid = await api.conversation("room")
    answer = await api.call("DELETE", f"/{prefix}/conversations/{cid}")
    assert (answer.status, answer.body) == (status, body)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events"), ("GET", "/members")):
        again = await api.call(method, f"/{prefix}/conversations/{cid}{path}")
        assert (again.status, again.body["code"]) == (404, "conversation:error:not-found")


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_inactive_conversation_answers_get_and_delete_only(api: Stage, prefix: str) -> None:
    for name in ("alice", "bob"):
        await api.user(name)
    cid = await api.conversation("room")
    alice, bob = [await api.join(cid, name) for name in ("alice", "bob")]
    said = await api.say(cid, "alice", "secret")
    await api.must("PUT", f"/v1/conversations/{cid}", {"state": "INACTIVE"})
    path, is_new = f"/{prefix}/conversations/{cid}", prefix in NEW
    assert (await api.must("GET", path))["state"] == "INACTIVE"
    joining = {"action": "join", "channel": {"type": "app"}, "user": {"name": "bob"}, "user_name": "bob"}
    for method, place, body in (
        ("PUT", "", {"state": "ACTIVE"}),
        ("POST", "/events", {"type": "text", "body": {"text": "hi"}}),
        ("POST", "/members", {**joining, "state": "joined"}),
        *((method, f"/members/{alice}", {**joining, "state": "left"}) for method in ("PUT", "PATCH")[: 1 + is_new]),
    ):
        refused = await api.call(method, path + place, body, as_="alice")
        assert (refused.status, refused.body["code"]) == (403, "conversation:error:not-allowed")
    await api.must("DELETE", f"{path}/events/{said}", as_="alice")
    await api.must("DELETE", f"{path}/members/{alice}", as_="alice")
    await api.must("DELETE", f"{path}/members/{bob}")
    assert (await api.must("GET", f"/v1/conversations/{cid}/members/{bob}"))["state"] == "LEFT"
    assert "secret" not in str(await api.must("GET", f"{path}/events"))
    await api.must("DELETE", path)


async def test_the_list_has_each_generations_envelope(stored: Stage) -> None:
    one = await stored.conversation("one", display_name="One")
    stored.clock.seconds += 60
    await stored.conversation("two")
    beta = await stored.must("GET", "/beta/conversations?record_index=0&page_size=1")
    assert (beta["count"], beta["page_size"], beta["record_index"]) == (2, 1, 0)
    assert [item["uuid"] for item in beta["_embedded"]["conversations"]] == [one]
    second = await stored.must("GET", "/v0.1/conversations?record_index=1")
    assert [item["name"] for item in second["_embedded"]["conversations"]] == ["two"]
    old = await stored.must("GET", "/v0.2/conversations?name=one")
    assert [item["id"] for item in old["_embedded"]["data"]["conversations"]] == [one]
    for prefix in NEW:
        new = await stored.must("GET", f"/{prefix}/conversations?order=DESC")
        assert [item["name"] for item in new["_embedded"]["conversations"]] == ["two", "one"]
        early = await stored.must("GET", f"/{prefix}/conversations?date_end=2027-01-15T08:00:30Z")
        assert [item["name"] for item in early["_embedded"]["conversations"]] == ["one"]


async def test_the_list_is_the_applications_alone(api: Stage) -> None:
    await api.user("alice")
    await api.conversation("room")
    assert (await api.call("GET", "/v1/conversations", as_="alice")).status == 403
    other = await api.must("GET", "/v1/conversations", token=api.token(application=OTHER))
    assert other["_embedded"]["conversations"] == []


NO_URL = "must be a valid http or https uri without a user and a password"
BAD = [
    ({"name": 1}, "name", "must be a string"),
    ({"name": "a" * 101}, "name", "length must be less than or equal to 100"),
    ({"display_name": ""}, "display_name", "is not allowed to be empty"),
    ({"display_name": "a" * 51}, "display_name", "length must be less than or equal to 50"),
    ({"image_url": "nothing"}, "image_url", "must be a valid uri"),
    ({"image_url": "http://x/" + "a" * 2_048}, "image_url", "length must be less than or equal to 2048"),
    ({"properties": 1}, "properties", "must be an object"),
    ({"properties": {"ttl": "x"}}, "properties.ttl", "must be an integer"),
    ({"properties": {"ttl": -1}}, "properties.ttl", "must be larger than or equal to 0"),
    ({"properties": {"ttl": 2**60}}, "properties.ttl", "must be less than or equal to 9007199254740991"),
    ({"properties": {"type": "a" * 201}}, "properties.type", "length must be less than or equal to 200"),
    ({"callback": {"method": "PUT", "url": "http://x"}}, "callback.method", "must be one of the documented values"),
    ({"callback": {"event_mask": "x"}}, "callback.url", "is required"),
    ({"callback": {"url": "ftp://x"}}, "callback.url", NO_URL),
    ({"callback": {"url": "http://"}}, "callback.url", NO_URL),
    ({"callback": {"url": "http://user:word@host/"}}, "callback.url", NO_URL),
    ({"callback": {"url": "http://host\0"}}, "callback.url", NO_URL),
    ({"state": "DELETED"}, "state", "must be one of the documented values"),
    ([], "body", "must be an object"),
]


@pytest.mark.parametrize(("body", "name", "reason"), BAD)
async def test_a_bad_conversation_is_refused_by_field_and_changes_nothing(
    api: Stage, body: object, name: str, reason: str
) -> None:
    cid = await api.conversation("room")
    for method, path in (("POST", "/v0.3/conversations"), ("PUT", f"/v1/conversations/{cid}")):
        answer = await api.call(method, path, body)
        assert (answer.status, answer.body["code"]) == (400, "http:error:validation-fail")
        assert answer.body["invalid_parameters"] == [{"name": name, "reason": f'"{name}" {reason}'}]
    old = await api.call("POST", "/beta/conversations", body)
    assert (old.status, old.body["error"]) == (400, {name: f'"{name}" {reason}'})
    assert (await api.must("GET", "/beta/conversations"))["count"] == 1


@pytest.mark.parametrize("prefix", NEW)
async def test_unknown_keys_are_refused_in_the_new_generations_only(api: Stage, prefix: str) -> None:
    answer = await api.call("POST", f"/{prefix}/conversations", {"nmae": "room"})
    assert answer.body["invalid_parameters"] == [{"name": "nmae", "reason": '"nmae" is not allowed'}]
    assert answer.status == 400
    allowed = {"name": "room", "originating_session": "SES-1"}
    assert (await api.call("POST", f"/{prefix}/conversations", allowed)).status == 201


async def test_numbers_may_be_one_or_many(api: Stage) -> None:
    one = {"type": "phone", "number": "447700900001"}
    for numbers in (one, [one]):
        cid = await api.conversation(None, numbers=numbers)
        assert (await api.must("GET", f"/beta/conversations/{cid}"))["numbers"] == [one]
