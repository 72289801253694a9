"""Users, in every generation."""

from __future__ import annotations

import pytest

from tests.wire.rest.stage import NEW, OLD, OTHER, PREFIXES, URL, Stage


@pytest.mark.parametrize("prefix", NEW)
async def test_a_new_user_is_answered_whole(api: Stage, prefix: str) -> None:
    body = {"name": "alice", "display_name": "Alice", "image_url": "https://x.example/a.png"}
    answer = await api.call("POST", f"/{prefix}/users", body | {"properties": {"custom_data": {"a": 1}}})
    assert answer.status == 201
    made = answer.body
    assert made["name"] == "alice"
    assert made["properties"] == {"custom_data": {"a": 1}}
    assert made["timestamp"] == {"created": "2027-01-15T08:00:00.000Z"}
    assert made["_links"]["self"]["href"] == f"{URL}/{prefix}/users/{made['id']}"
    assert (await api.must("GET", f"/{prefix}/users/{made['id']}")) == made


@pytest.mark.parametrize("prefix", OLD)
async def test_a_new_user_is_answered_by_reference_in_the_old_generations(api: Stage, prefix: str) -> None:
    answer = await api.call("POST", f"/{prefix}/users", {"name": "alice", "properties": {"custom_data": {"a": 1}}})
    assert answer.status == 200
    assert answer.body == {"id": answer.body["id"], "href": f"{URL}/{prefix}/users/{answer.body['id']}"}
    user = await api.must("GET", f"/{prefix}/users/{answer.body['id']}")
    assert (user["name"], user["custom_data"], user["href"]) == ("alice", {"a": 1}, answer.body["href"])


async def test_a_user_without_a_name_gets_one(api: Stage) -> None:
    made = await api.must("POST", "/v1/users", {})
    assert made["name"].startswith("NAM-")
    assert len(made["name"]) == 40


async def test_the_name_is_unique_in_the_application_only(stored: Stage) -> None:
    await stored.user("alice")
    again = await stored.call("POST", "/v1/users", {"name": "alice"})
    assert (again.status, again.body["code"]) == (400, "user:error:duplicate-name")
    elsewhere = await stored.call("POST", "/v1/users", {"name": "alice"}, token=stored.token(application=OTHER))
    assert elsewhere.status == 201


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_user_is_found_by_id_name_and_me(stored: Stage, prefix: str) -> None:
    user_id = await stored.user("alice smith/é")
    for named, as_ in ((user_id, None), ("alice%20smith%2F%C3%A9", None), ("me", "alice smith/é")):
        path = f"/{prefix}/users/{named}"
        assert (await stored.must("GET", path, as_=as_))["id"] == user_id


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_another_applications_user_is_not_found(api: Stage, method: str) -> None:
    user_id = await api.user("alice")
    answer = await api.call(method, f"/v1/users/{user_id}", {"display_name": "X"}, token=api.token(application=OTHER))
    assert (answer.status, answer.body["code"]) == (404, "user:error:not-found")
    assert (await api.must("GET", f"/v1/users/{user_id}"))["display_name"] is None


@pytest.mark.parametrize("prefix", NEW)
async def test_a_patch_merges_properties_and_null_clears(stored: Stage, prefix: str) -> None:
    user_id = await stored.user("alice", display_name="Alice", properties={"custom_data": {"a": 1}, "ttl": 9})
    stored.clock.seconds += 1
    changed = await stored.must("PATCH", f"/{prefix}/users/{user_id}", {"display_name": None, "properties": {"ttl": 8}})
    assert changed["display_name"] is None
    assert changed["properties"] == {"custom_data": {"a": 1}, "ttl": 8}
    assert changed["timestamp"]["updated"] == "2027-01-15T08:00:01.000Z"
    assert (await stored.must("GET", f"/{prefix}/users/{user_id}")) == changed


@pytest.mark.parametrize("prefix", OLD)
async def test_a_put_is_answered_by_reference_and_name(api: Stage, prefix: str) -> None:
    user_id = await api.user("alice")
    answer = await api.call("PUT", f"/{prefix}/users/{user_id}", {"name": "carol"})
    assert answer.status == 200
    assert answer.body == {"id": user_id, "name": "carol", "href": f"{URL}/{prefix}/users/{user_id}"}


async def test_a_renamed_users_old_token_is_refused_and_a_new_one_accepted(api: Stage) -> None:
    user_id = await api.user("alice")
    await api.must("GET", "/v1/users/me", as_="alice")
    await api.must("PATCH", f"/v1/users/{user_id}", {"name": "carol"})
    assert (await api.call("GET", "/v1/users/me", as_="alice")).status == 401
    assert (await api.must("GET", "/v1/users/me", as_="carol"))["id"] == user_id


async def test_a_name_cannot_be_changed_to_one_that_is_taken(api: Stage) -> None:
    await api.user("alice")
    bob = await api.user("bob")
    answer = await api.call("PATCH", f"/v1/users/{bob}", {"name": "alice"})
    assert (answer.status, answer.body["code"]) == (400, "user:error:duplicate-name")
    assert (await api.call("PATCH", f"/v1/users/{bob}", {"name": "bob"})).status == 200


@pytest.mark.parametrize(("prefix", "status", "body"), [*((p, 200, {}) for p in OLD), *((p, 204, None) for p in NEW)])
async def test_a_deleted_user_is_gone_with_its_memberships_and_sessions(
    api: Stage, prefix: str, status: int, body: object
) -> None:
    user_id = await api.user("alice")
    cid = await api.conversation()
    member_id = await api.join(cid, "alice")
    answer = await api.call("DELETE", f"/{prefix}/users/{user_id}")
    assert (answer.status, answer.body) == (status, body)
    assert (await api.call("GET", f"/{prefix}/users/{user_id}")).status == 404
    assert (await api.must("GET", f"/v1/conversations/{cid}/members/{member_id}"))["state"] == "LEFT"
    assert api.sessions.users == [user_id]
    assert (await api.call("GET", "/v1/users/me", as_="alice")).status == 401
    assert (await api.call("DELETE", f"/{prefix}/users/{user_id}")).status == 404


async def test_the_list_has_each_generations_envelope(api: Stage) -> None:
    user_id = await api.user("alice", display_name="Alice")
    await api.user("bob")
    beta = await api.must("GET", "/beta/users?name=alice")
    assert beta == [{"id": user_id, "name": "alice", "href": f"{URL}/beta/users/{user_id}"}]
    old = await api.must("GET", "/v0.2/users?name=alice")
    assert set(old) == {"page_size", "cursor", "_links", "_embedded"}
    assert [user["id"] for user in old["_embedded"]["data"]["users"]] == [user_id]
    for prefix in NEW:
        new = await api.must("GET", f"/{prefix}/users?name=alice")
        assert set(new) == {"page_size", "_links", "_embedded"}
        (item,) = new["_embedded"]["users"]
        links = {"self": {"href": f"{URL}/{prefix}/users/{user_id}"}}
        assert item == {"id": user_id, "name": "alice", "display_name": "Alice", "_links": links}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/users"), ("GET", "/v1/users"), ("PATCH", "/v1/users/me"), ("DELETE", "/v1/users/me")],
)
async def test_users_are_managed_by_the_application_only(api: Stage, method: str, path: str) -> None:
    user_id = await api.user("alice")
    answer = await api.call(method, path, {"name": "carol"}, as_="alice")
    assert (answer.status, answer.body["code"]) == (403, "system:error:permission")
    assert (await api.must("GET", f"/v1/users/{user_id}"))["name"] == "alice"


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        ({"name": 7}, "name", '"name" must be a string'),
        ({"name": ""}, "name", '"name" is not allowed to be empty'),
        ({"name": "a" * 201}, "name", '"name" length must be less than or equal to 200'),
        ({"name": "a\x00"}, "name", '"name" must not contain a NUL character'),
        ({"display_name": "a" * 51}, "display_name", '"display_name" length must be less than or equal to 50'),
        ({"image_url": "no uri"}, "image_url", '"image_url" must be a valid uri'),
        ({"properties": []}, "properties", '"properties" must be an object'),
        ({"properties": {"ttl": -1}}, "properties.ttl", '"properties.ttl" must be larger than or equal to 0'),
        ({"properties": {"custom_data": 1}}, "properties.custom_data", '"properties.custom_data" must be an object'),
    ],
)
async def test_a_bad_user_is_refused_by_field(api: Stage, body: object, name: str, reason: str) -> None:
    answer = await api.call("POST", "/v1/users", body)
    assert (answer.status, answer.body["code"]) == (400, "http:error:validation-fail")
    assert answer.body["invalid_parameters"] == [{"name": name, "reason": reason}]
    old = await api.call("POST", "/beta/users", body)
    assert (old.status, old.body["error"]) == (400, {name: reason})


async def test_custom_data_of_a_user_is_bounded(api: Stage) -> None:
    answer = await api.call("POST", "/v1/users", {"properties": {"custom_data": {"a": "x" * 5_000}}})
    assert (answer.status, answer.body["code"]) == (400, "custom-data:error:max-data-sum-limit-exceeded")


async def test_properties_of_a_user_are_bounded_as_a_whole(stored: Stage) -> None:
    path = f"/v1/users/{await stored.user('alice')}"
    await stored.must("PATCH", path, {"properties": {"a": "x" * 3_000}})
    answer = await stored.call("PATCH", path, {"properties": {"b": "x" * 3_000}})
    assert (answer.status, answer.body["code"]) == (400, "custom-data:error:max-data-sum-limit-exceeded")
    await stored.must("PATCH", path, {"properties": {"a": None, "b": "x" * 3_000}})


async def test_users_conversations_have_each_generations_shape(stored: Stage) -> None:
    await stored.user("alice")
    cid = await stored.conversation("room", display_name="Room", properties={"custom_data": {"a": 1}})
    member_id = await stored.join(cid, "alice")
    (beta,) = await stored.must("GET", "/beta/users/me/conversations", as_="alice")
    assert (beta["id"], beta["member_id"], beta["state"], beta["sequence_number"]) == (cid, member_id, "JOINED", 1)
    old = await stored.must("GET", "/beta2/users/me/conversations", as_="alice")
    (item,) = old["_embedded"]["data"]["conversations"]
    assert (item["member_id"], item["state"]) == (member_id, "JOINED")
    for prefix in NEW:
        page = await stored.must("GET", f"/{prefix}/users/alice/conversations", as_="alice")
        (item,) = page["_embedded"]["conversations"]
        assert item["_embedded"]["member"] == {"id": member_id, "state": "JOINED"}
        assert "properties" not in item
        page = await stored.must("GET", f"/{prefix}/users/alice/conversations?include_custom_data=true", as_="alice")
        assert page["_embedded"]["conversations"][0]["properties"] == {"custom_data": {"a": 1}}


async def test_users_conversations_are_filtered_by_state(stored: Stage) -> None:
    await stored.user("alice")
    rooms = {name: await stored.conversation(name) for name in ("joined", "invited", "left", "back")}
    for name in ("joined", "left", "back"):
        await stored.join(rooms[name], "alice")
    invite = {"user": {"name": "alice"}, "state": "invited", "channel": {"type": "app"}}
    await stored.must("POST", f"/v1/conversations/{rooms['invited']}/members", invite)
    for name in ("left", "back"):
        await stored.must("DELETE", f"/v1/conversations/{rooms[name]}/members/me", as_="alice")
    await stored.join(rooms["back"], "alice")

    async def names(query: str) -> set[str]:
        page = await stored.must("GET", f"/v1/users/me/conversations{query}", as_="alice")
        return {item["name"] for item in page["_embedded"]["conversations"]}

    assert await names("") == {"joined", "invited", "back"}
    assert await names("?state=JOINED") == {"joined", "back"}
    assert await names("?state=INVITED") == {"invited"}
    assert await names("?state=LEFT") == {"left"}
    assert (await stored.call("GET", "/v1/users/me/conversations?state=joined", as_="alice")).status == 400


async def test_users_conversations_are_ordered_by_sort_key(stored: Stage) -> None:
    await stored.user("alice")
    for name, key in (("one", "b"), ("two", "a"), ("three", None)):
        stored.clock.seconds += 1
        properties = {"custom_sort_key": key} if key else {}
        await stored.join(await stored.conversation(name, properties=properties), "alice")

    async def names(query: str) -> list[str]:
        page = await stored.must("GET", f"/v0.3/users/me/conversations?{query}", as_="alice")
        return [item["name"] for item in page["_embedded"]["conversations"]]

    assert await names("order_by=custom_sort_key&order=ASC") == ["three", "two", "one"]
    assert await names("order_by=custom_sort_key&order=DESC") == ["one", "two", "three"]
    assert await names("order_by=created&order=DESC") == ["three", "two", "one"]
    assert await names("date_start=2027-01-15T08:00:02Z") == ["two", "three"]


async def test_nobody_lists_somebody_elses_conversations_or_sessions(api: Stage) -> None:
    await api.user("alice")
    bob = await api.user("bob")
    for what in ("conversations", "sessions"):
        answer = await api.call("GET", f"/v0.3/users/{bob}/{what}", as_="alice")
        assert (answer.status, answer.body["code"]) == (403, "system:error:permission")
        assert (await api.call("GET", f"/v0.3/users/{bob}/{what}")).status == 200
