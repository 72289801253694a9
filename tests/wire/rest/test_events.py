"""Events: posting, reading back, blanking."""

from __future__ import annotations

from typing import Any

import pytest

from legato.conversations import Caller, PostEvent
from legato.events import Person
from tests.wire.rest.stage import APPLICATION, NEW, OLD, OTHER, PREFIXES, URL, Stage

TEXT = {"type": "text", "body": {"text": "hi"}}


async def furnished(stage: Stage) -> str:
    """A conversation that alice and bob have joined: events 1 and 2."""
    cid = await stage.conversation("room")
    for name in ("alice", "bob"):
        await stage.user(name)
        await stage.join(cid, name)
    return cid


@pytest.fixture
async def room(api: Stage) -> str:
    """Such a conversation, on SQLite."""
    return await furnished(api)


@pytest.fixture
async def stored_room(stored: Stage) -> str:
    """The same on each store."""
    return await furnished(stored)


async def member(api: Stage, cid: str, name: str) -> str:
    """The id of a user's member."""
    return str((await api.must("GET", f"/v1/conversations/{cid}/members/me", as_=name))["id"])


def items(prefix: str, body: Any) -> list[Any]:
    """The events of a page."""
    match prefix:
        case "beta" | "v0.1":
            return list(body)
        case "beta2" | "v0.2":
            return list(body["_embedded"]["data"]["events"])
        case "v0.3":
            return list(body["_embedded"]["events"])
    return list(body["_embedded"])


async def test_an_event_that_breaks_its_types_promise_fails_the_test_that_reads_it(api: Stage, room: str) -> None:
    # Past the API, which would not have let it in.
    by = Caller(APPLICATION, Person((await api.must("GET", "/v1/users/alice"))["id"], "alice"))
    await api.log.submit(PostEvent(conversation_id=room, by=by, type="text", body={"text": 7}))
    for prefix in PREFIXES:
        for path in ("events", "events/3"):
            with pytest.raises(ValueError, match=r"text at log: \$\.body"):
                await api.call("GET", f"/{prefix}/conversations/{room}/{path}")


@pytest.mark.parametrize("prefix", OLD)
async def test_a_posted_event_is_answered_by_reference_in_the_old_generations(
    api: Stage, room: str, prefix: str
) -> None:
    mine = await member(api, room, "alice")
    body = {**TEXT, "from": mine, "cid": room, "originating_session": "SES-1"}
    answer = await api.call("POST", f"/{prefix}/conversations/{room}/events", body, as_="alice")
    assert answer.status == 200
    href = f"{URL}/{prefix}/conversations/{room}/events/3"
    assert answer.body == {"id": 3, "timestamp": "2027-01-15T08:00:00.000Z", "href": href}


@pytest.mark.parametrize("prefix", NEW)
async def test_a_posted_event_is_answered_whole(api: Stage, room: str, prefix: str) -> None:
    mine = await member(api, room, "alice")
    answer = await api.call("POST", f"/{prefix}/conversations/{room}/events", {**TEXT, "from": mine}, as_="alice")
    assert answer.status == 201
    event = answer.body
    assert (event["id"], event["type"], event["body"], event["from"]) == (3, "text", {"text": "hi"}, mine)
    assert event["timestamp"] == "2027-01-15T08:00:00.000Z"
    assert event["_embedded"]["from_user"]["name"] == "alice"
    assert event["_embedded"]["from_member"] == {"id": mine}
    assert event["_links"]["self"]["href"] == f"{URL}/{prefix}/conversations/{room}/events/3"
    assert await api.must("GET", f"/{prefix}/conversations/{room}/events/3") == event


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("type_", "body"),
    [("text:typing:on", {"activity": 1}), ("text:typing:off", {"activity": 0}), ("ephemeral", {"x": 1})],
)
async def test_an_event_that_is_not_kept_is_answered_without_an_id(
    api: Stage, prefix: str, type_: str, body: dict[str, Any]
) -> None:
    await api.user("alice")
    cid = await api.conversation()
    await api.join(cid, "alice")
    made = await api.must("POST", f"/{prefix}/conversations/{cid}/events", {"type": type_, "body": body}, as_="alice")
    assert "id" not in made
    assert made["timestamp"] == "2027-01-15T08:00:00.000Z"
    assert (await api.must("GET", f"/v1/conversations/{cid}"))["sequence_number"] == 1
    assert api.heard[-1].event.type == type_


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_member_id_in_the_path_leads_to_its_conversation(api: Stage, room: str, prefix: str) -> None:
    mine = await member(api, room, "alice")
    body = {"type": "custom:x", "to": mine, "from": mine, "body": {"a": 1}}
    made = await api.must("POST", f"/{prefix}/conversations/{mine}/events", body, as_="alice")
    assert made["id"] == 3
    assert api.heard[-1].event.conversation_id == room


async def test_the_application_posts_without_a_member(api: Stage, room: str) -> None:
    made = await api.must("POST", f"/v1/conversations/{room}/events", {"type": "custom:order", "body": {"n": 1}})
    assert made["from"] is None
    assert "_embedded" not in made or "from_user" not in made["_embedded"]


async def test_receipts_are_rendered_with_their_target(stored: Stage, stored_room: str) -> None:
    event_id = await stored.say(stored_room, "alice", "hi")
    bob = await member(stored, stored_room, "bob")
    seen = {"type": "text:seen", "body": {"event_id": str(event_id)}}
    first = await stored.must("POST", f"/beta/conversations/{stored_room}/events", seen, as_="bob")
    again = await stored.must("POST", f"/beta/conversations/{stored_room}/events", seen, as_="bob")
    assert first == again
    at = "2027-01-15T08:00:00.000Z"
    for prefix in PREFIXES:
        event = await stored.must("GET", f"/{prefix}/conversations/{stored_room}/events/{event_id}")
        assert event["state"] == {"delivered_to": {bob: at}, "seen_by": {bob: at}}
        listed = items(prefix, await stored.must("GET", f"/{prefix}/conversations/{stored_room}/events"))
        assert len(listed) == 4
        assert listed[2]["state"] == event["state"]
        assert listed[0]["state"] is None


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_the_list_has_each_generations_envelope(api: Stage, room: str, prefix: str) -> None:
    page = await api.must("GET", f"/{prefix}/conversations/{room}/events", as_="alice")
    listed = items(prefix, page)
    assert [event["id"] for event in listed] == [1, 2]
    for event in listed:
        assert event["cid"] == room
        assert event["_embedded"]["from_user"]["name"] in ("alice", "bob")
        assert event["body"]["timestamp"] == {"joined": event["timestamp"]}
    expected = {"v0.2": {"page_size", "cursor", "_links", "_embedded"}, "v0.3": {"page_size", "_links", "_embedded"}}
    if prefix in expected:
        assert set(page) == expected[prefix]


async def test_the_java_sdk_reads_an_object_on_v1(api: Stage, room: str) -> None:
    headers = {"user-agent": "vonage-java-sdk/8.0.0 java/17"}
    page = await api.must("GET", f"/v1/conversations/{room}/events", headers=headers)
    assert [event["id"] for event in page["_embedded"]["events"]] == [1, 2]


@pytest.mark.parametrize(("prefix", "status", "body"), [*((p, 200, {}) for p in OLD), *((p, 204, None) for p in NEW)])
async def test_a_deleted_event_keeps_its_place_and_loses_its_content(
    api: Stage, room: str, prefix: str, status: int, body: object
) -> None:
    event_id = await api.say(room, "alice", "secret")
    mine = await member(api, room, "alice")
    path = f"/{prefix}/conversations/{room}/events"
    answer = await api.call("DELETE", f"{path}/{event_id}?from={mine}", as_="alice")
    assert (answer.status, answer.body) == (status, body)
    listed = items(prefix, await api.must("GET", path))
    assert listed[2]["body"] == {"timestamp": {"deleted": "2027-01-15T08:00:00.000Z"}}
    assert (listed[3]["type"], listed[3]["body"]) == ("event:delete", {"event_id": event_id})
    without = items(prefix, await api.must("GET", f"{path}?exclude_deleted_events=true"))
    assert [event["id"] for event in without] == [1, 2, 4]


async def test_the_words_of_a_deleted_text_are_on_no_page(stored: Stage, stored_room: str) -> None:
    event_id = await stored.say(stored_room, "alice", "secret 1")
    path = f"conversations/{stored_room}/events"
    for number in (2, 3):
        edit = {"type": "text:update", "body": {"text": f"secret {number}", "original_event_id": event_id}}
        await stored.must("POST", f"/v1/{path}", edit, as_="alice")
    assert "secret 3" in str(await stored.must("GET", f"/v1/{path}"))
    await stored.must("DELETE", f"/v1/{path}/{event_id}", as_="alice")
    chat = "?filter_group_type=ChatEvents&filter_group_version=3"
    for prefix in PREFIXES:
        for query in ("", chat):
            page = await stored.must("GET", f"/{prefix}/{path}{query}")
            assert len(items(prefix, page)) == (4 if query else 6)
            assert "secret" not in str(page)
        for number in range(event_id, event_id + 4):
            assert "secret" not in str(await stored.must("GET", f"/{prefix}/{path}/{number}"))
        without = await stored.must("GET", f"/{prefix}/{path}?exclude_deleted_events=true")
        assert [event["id"] for event in items(prefix, without)] == [1, 2, 4, 5, 6]


async def test_only_the_author_or_the_application_deletes(stored: Stage, stored_room: str) -> None:
    event_id = await stored.say(stored_room, "alice", "mine")
    answer = await stored.call("DELETE", f"/v1/conversations/{stored_room}/events/{event_id}", as_="bob")
    assert (answer.status, answer.body["code"]) == (403, "event:error:permission-denied")
    assert (await stored.must("GET", f"/v1/conversations/{stored_room}/events/{event_id}"))["body"] == {"text": "mine"}
    assert (await stored.call("DELETE", f"/v1/conversations/{stored_room}/events/{event_id}")).status == 204


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("start_id=3", [3, 4, 5, 6]),
        ("end_id=2", [1, 2]),
        ("start_id=2&end_id=4", [2, 3, 4]),
        ("order=desc", [6, 5, 4, 3, 2, 1]),
        ("order=DESC&end_id=3", [3, 2, 1]),
        ("event_type=text", [3, 4]),
        ("event_type=member:*", [1, 2]),
        ("event_type=text*", [3, 4, 6]),
        ("event_type=custom:order,text:seen", [5, 6]),
        ("event_type=custom:*", [5]),
        ("event_type=nothing", []),
        ("page_size=2&start_id=2", [2, 3]),
        ("start_id=9&end_id=4", []),
    ],
)
async def test_the_list_is_filtered(stored: Stage, stored_room: str, query: str, expected: list[int]) -> None:
    await stored.say(stored_room, "alice", "one")
    await stored.say(stored_room, "bob", "two")
    await stored.must("POST", f"/v1/conversations/{stored_room}/events", {"type": "custom:order", "body": {}})
    seen = {"type": "text:seen", "body": {"event_id": 3}}
    await stored.must("POST", f"/v1/conversations/{stored_room}/events", seen, as_="bob")
    for prefix in ("beta2", "v0.3", "v1"):
        listed = items(
            prefix, await stored.must("GET", f"/{prefix}/conversations/{stored_room}/events?{query}", as_="alice")
        )
        assert [event["id"] for event in listed] == expected


async def test_chat_events_are_that_clients_own_types_and_words(stored: Stage, stored_room: str) -> None:
    event_id = await stored.say(stored_room, "alice", "one")
    for body in ({"type": "text:seen", "body": {"event_id": event_id}}, {"type": "custom:x", "body": {}}):
        await stored.must("POST", f"/v0.3/conversations/{stored_room}/events", body, as_="bob")
    query = "order=ASC&page_size=10&filter_group_type=ChatEvents&filter_group_version=3&exclude_deleted_events=true"
    path = f"/v0.3/conversations/{stored_room}/events?{query}"
    listed = items("v0.3", await stored.must("GET", path, as_="alice"))
    assert [event["type"] for event in listed] == ["member:joined", "member:joined", "message", "custom:x"]
    assert listed[2]["body"] == {"message_type": "text", "text": "one"}
    assert set(listed[2]["state"]["seen_by"]) == {await member(stored, stored_room, "bob")}
    only = items("v0.3", await stored.must("GET", f"{path}&event_type=message", as_="alice"))
    assert [event["id"] for event in only] == [event_id]
    paged = await stored.must("GET", path.replace("page_size=10", "page_size=3"), as_="alice")
    assert len(items("v0.3", paged)) == 3


async def test_a_range_comes_whole_and_ascending(stored: Stage, stored_room: str) -> None:
    for number in range(30):
        await stored.must(
            "POST", f"/v1/conversations/{stored_room}/events", {"type": "custom:n", "body": {"n": number}}
        )
    page = await stored.must("GET", f"/beta2/conversations/{stored_room}/events?start_id=2&end_id=31", as_="alice")
    assert [event["id"] for event in items("beta2", page)] == list(range(2, 32))
    assert "next" not in page["_links"]
    assert len(await stored.must("GET", f"/beta/conversations/{stored_room}/events", as_="alice")) == 32


async def test_who_left_reads_up_to_its_leaving(stored: Stage, stored_room: str) -> None:
    await stored.say(stored_room, "alice", "before")
    await stored.must("DELETE", f"/v1/conversations/{stored_room}/members/me", as_="bob")
    await stored.say(stored_room, "alice", "after")
    path = f"/v1/conversations/{stored_room}/events"
    listed = items("v1", await stored.must("GET", path, as_="bob"))
    assert [event["id"] for event in listed] == [1, 2, 3, 4]
    assert (await stored.call("GET", f"{path}/5", as_="bob")).status == 404
    assert (await stored.call("GET", f"{path}/4", as_="bob")).status == 200


async def test_an_outsider_neither_reads_nor_posts(api: Stage, room: str) -> None:
    await api.user("eve")
    path = f"/v0.3/conversations/{room}/events"
    for method, target in (("GET", path), ("GET", f"{path}/1"), ("POST", path)):
        answer = await api.call(method, target, TEXT, as_="eve")
        assert (answer.status, answer.body["code"]) == (403, "event:error:not-joined")
    assert (await api.must("GET", f"/v1/conversations/{room}"))["sequence_number"] == 2


async def test_another_applications_conversation_is_not_found(api: Stage, room: str) -> None:
    mine = await member(api, room, "alice")
    strange = api.token(application=OTHER)
    for method, target in (
        ("GET", room),
        ("POST", room),
        ("POST", mine),
        ("DELETE", room),
        ("GET", f"{room}/events/1"),
    ):
        path = target if "/" in target else f"{target}/events" + ("/1" if method == "DELETE" else "")
        answer = await api.call(method, f"/v1/conversations/{path}", TEXT, token=strange)
        assert (answer.status, answer.body["code"]) == (404, "conversation:error:not-found")


async def test_a_user_posts_as_its_own_member_only(api: Stage, room: str) -> None:
    bob = await member(api, room, "bob")
    answer = await api.call("POST", f"/v1/conversations/{room}/events", {**TEXT, "from": bob}, as_="alice")
    assert (answer.status, answer.body["code"]) == (403, "event:error:permission-denied")


async def test_who_left_posts_nothing(api: Stage, room: str) -> None:
    bob = await member(api, room, "bob")
    await api.must("DELETE", f"/v1/conversations/{room}/members/{bob}", as_="bob")
    for body in (TEXT, {**TEXT, "from": bob}):
        answer = await api.call("POST", f"/beta/conversations/{room}/events", body, as_="bob")
        assert (answer.status, answer.body["code"]) == (403, "event:error:not-joined")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"body": {}}, 400, "http:error:validation-fail"),
        ({"type": 7}, 400, "http:error:validation-fail"),
        ({"type": "text"}, 400, "http:error:validation-fail"),
        ({"type": "text", "body": []}, 400, "http:error:validation-fail"),
        ({"type": "text", "body": {"text": 7}}, 400, "http:error:validation-fail"),
        ({"type": "text", "body": {"text": "x" * 2_501}}, 400, "http:error:validation-fail"),
        ({"type": "text", "body": {"text": "x"}, "from": 7}, 400, "http:error:validation-fail"),
        ({"type": "text", "body": {"text": "x"}, "to": "MEM-1"}, 400, "http:error:validation-fail"),
        ({"type": "text:seen", "body": {"event_id": "x"}}, 400, "http:error:validation-fail"),
        ({"type": "text:seen", "body": {"event_id": 99}}, 404, "event:error:not-found"),
        ({"type": "message", "body": {"message_type": "pigeon"}}, 400, "http:error:validation-fail"),
        ({"type": "message", "body": {"message_type": "text"}}, 400, "http:error:validation-fail"),
        ({"type": "custom:x", "body": {"x": "x" * 4_096}}, 400, "http:error:validation-fail"),
        ({"type": "custom:" + "x" * 100, "body": {}}, 400, "event:error:unknown-event"),
        ({"type": "nothing:at:all", "body": {}}, 400, "event:error:unknown-event"),
        ({"type": "member:joined", "body": {}}, 400, "event:error:unknown-event"),
        ({"type": "audio:say", "body": {"text": "hi"}}, 501, "system:error:not-available"),
    ],
)
async def test_a_bad_event_is_refused_and_changes_nothing(
    api: Stage, body: dict[str, Any], status: int, code: str
) -> None:
    await api.user("alice")
    cid = await api.conversation()
    await api.join(cid, "alice")
    for prefix in ("beta", "v0.2", "v0.3", "v1"):
        answer = await api.call("POST", f"/{prefix}/conversations/{cid}/events", body, as_="alice")
        assert (answer.status, answer.body["code"]) == (status, code)
    assert (await api.must("GET", f"/v1/conversations/{cid}"))["sequence_number"] == 1


@pytest.mark.parametrize("named", ["0", "99", "-1", "x", "1.0", "9" * 30, "%F0%9F%8D%95"])
async def test_an_event_that_is_not_there_is_not_found(api: Stage, named: str) -> None:
    cid = await api.conversation()
    for method in ("GET", "DELETE"):
        answer = await api.call(method, f"/v1/conversations/{cid}/events/{named}")
        assert (answer.status, answer.body["code"]) == (404, "event:error:not-found")


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0",
        "page_size=101",
        "page_size=ten",
        "order=up",
        "start_id=x",
        "start_id=-1",
        "end_id=99999999999",
        "event_type=a,b,c,d,e,f",
        "event_type=,",
        "exclude_deleted_events=perhaps",
        "filter_group_type=Other",
        "cursor=zz",
        "event_type=%FF",
    ],
)
async def test_a_bad_query_is_refused(api: Stage, query: str) -> None:
    cid = await api.conversation()
    answer = await api.call("GET", f"/v1/conversations/{cid}/events?{query}")
    assert answer.status == 400
    assert answer.body["code"] in ("http:error:validation-fail", "paginator-builder:error:invalid-cursor")
