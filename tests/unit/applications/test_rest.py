"""``/v2/applications``: made, shown, replaced, deleted, paged, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from legato.api.applications import Change
from legato.auth import generate, load_private, mint, public_pem
from legato.events.refusal import Unauthenticated

from .scene import Scene

CAPABILITIES = {
    "voice": {
        "webhooks": {
            "answer_url": {"address": "https://example.com/answer", "http_method": "GET", "socket_timeout": 3000},
            "event_url": {"address": "http://example.com/event", "socket_timeout": 10000},
        },
        "region": "eu-west",
        "conversations_ttl": 48,
        "novel": {"kept": [1, "two"]},
    },
    "rtc": {"webhooks": {"event_url": {"address": "https://example.com/rtc?x=1"}}, "signed_callbacks": False},
    "messages": {"version": "v1", "webhooks": {}},
    "vbc": {},
    "verify": {"version": "v2"},
    "network_apis": {"anything": True},
}


async def _make(scene: Scene, **body: Any) -> Any:
    made = await scene.call("POST", "/v2/applications", {"name": "Shop", **body})
    assert made.status == 201, made.body
    return made.body


async def test_a_new_application_comes_with_a_key_pair_that_signs_its_tokens(stored: Scene) -> None:
    made = await stored.call("POST", "/v2/applications", {"name": "Shop"})
    body = made.body
    assert made.status == 201
    assert made.headers["location"] == f"/v2/applications/{body['id']}"
    private = load_private(body["keys"]["private_key"])
    assert body["keys"]["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert public_pem(private.public_key()) == body["keys"]["public_key"]
    assert body["privacy"] == {"improve_ai": False}
    assert body["capabilities"] == {}
    assert body["_links"] == {"self": {"href": f"/v2/applications/{body['id']}"}}
    principal = await stored.auth.authenticate(mint(private, body["id"], now=stored.clock.now()))
    assert principal.application_id == body["id"]


async def test_the_private_key_is_never_shown_again(stored: Scene) -> None:
    made = await _make(stored)
    shown = await stored.call("GET", f"/v2/applications/{made['id']}")
    listed = await stored.call("GET", "/v2/applications")
    assert shown.status == listed.status == 200
    assert shown.body["keys"] == {"public_key": made["keys"]["public_key"]}
    assert listed.body["_embedded"]["applications"] == [shown.body]


async def test_a_public_key_may_be_brought(scene: Scene) -> None:
    pair = generate()
    made = await _make(scene, keys={"public_key": "\n" + pair.public_key.replace("\n", "\r\n")})
    assert made["keys"] == {"public_key": pair.public_key}


async def test_capabilities_come_back_as_they_were_written(stored: Scene) -> None:
    made = await _make(stored, capabilities=CAPABILITIES, privacy={"improve_ai": True})
    shown = await stored.call("GET", f"/v2/applications/{made['id']}")
    assert made["capabilities"] == shown.body["capabilities"] == CAPABILITIES
    assert shown.body["privacy"] == {"improve_ai": True}


async def test_both_spellings_of_a_timeout_are_accepted_and_one_is_answered(scene: Scene) -> None:
    webhooks = {"event_url": {"address": "https://example.com", "connection_timeout": 400}}
    made = await _make(scene, capabilities={"voice": {"webhooks": webhooks}})
    assert made["capabilities"]["voice"]["webhooks"]["event_url"] == {
        "address": "https://example.com",
        "connect_timeout": 400,
    }


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": 7}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"keys": {"public_key": "none"}, "name": "x"}, "keys.public_key"),
        ({"keys": {"public_key": 5}, "name": "x"}, "keys.public_key"),
        ({"capabilities": [], "name": "x"}, "capabilities"),
        ({"capabilities": {"vbc": 1}, "name": "x"}, "capabilities.vbc"),
        ({"capabilities": {"voice": {"region": "mars"}}, "name": "x"}, "capabilities.voice.region"),
        ({"capabilities": {"voice": {"conversations_ttl": 9001}}, "name": "x"}, "capabilities.voice.conversations_ttl"),
        ({"capabilities": {"voice": {"signed_callbacks": "yes"}}, "name": "x"}, "capabilities.voice.signed_callbacks"),
        ({"privacy": {"improve_ai": 1}, "name": "x"}, "privacy.improve_ai"),
        ({"settings": {"novel": 1}, "name": "x"}, "settings.novel"),
    ],
)
async def test_a_bad_field_is_named_and_nothing_is_made(scene: Scene, body: Any, name: str) -> None:
    refused = await scene.call("POST", "/v2/applications", body)
    assert refused.status == 400
    assert [each["name"] for each in refused.body["invalid_parameters"]] == [name]
    assert "code" not in refused.body
    assert (await scene.call("GET", "/v2/applications")).body["total_items"] == 0
    assert scene.changes == []


@pytest.mark.parametrize(
    "webhook",
    [
        {},
        {"address": ""},
        {"address": "ftp://example.com"},
        {"address": "https://"},
        {"address": "https://exa mple.com"},
        {"address": "https://example.com/" + "x" * 2048},
        {"address": "https://example.com", "http_method": "PUT"},
        {"address": "https://example.com", "connect_timeout": 299},
        {"address": "https://example.com", "connection_timeout": 1001},
        {"address": "https://example.com", "socket_timeout": 5001},
        {"address": "https://example.com", "socket_timeout": "2000"},
    ],
)
async def test_a_bad_webhook_is_refused(scene: Scene, webhook: Any) -> None:
    body = {"name": "x", "capabilities": {"voice": {"webhooks": {"answer_url": webhook}}}}
    refused = await scene.call("POST", "/v2/applications", body)
    assert refused.status == 400
    assert refused.body["invalid_parameters"][0]["name"].startswith("capabilities.voice.webhooks.answer_url")


async def test_what_is_nested_or_long_beyond_reason_is_refused(scene: Scene) -> None:
    deep = b'{"name":"x","capabilities":{"vbc":{"a":' + b"[" * 300 + b"]" * 300 + b"}}}"
    assert (await scene.call("POST", "/v2/applications", raw=deep)).status == 400
    deepest = b'{"name":"x","capabilities":{"vbc":{"a":' + b"[" * 40_000 + b"]" * 40_000 + b"}}}"
    assert (await scene.call("POST", "/v2/applications", raw=deepest)).status == 400
    long = {"name": "x", "capabilities": {"vbc": {"a": "x" * 70_000}}}
    assert (await scene.call("POST", "/v2/applications", long)).status == 400
    longest = {"name": "x", "capabilities": {"vbc": {"a": "x" * 700_000}}}
    assert (await scene.call("POST", "/v2/applications", longest)).status == 413


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"null", b'{"name":"\xff"}', b'{"name":"\\ud800"}'])
async def test_a_body_that_is_no_object_is_refused(scene: Scene, raw: bytes) -> None:
    assert (await scene.call("POST", "/v2/applications", raw=raw)).status == 400


async def test_replacing_puts_off_what_is_left_out_and_keeps_the_key(stored: Scene) -> None:
    made = await _make(stored, capabilities=CAPABILITIES, privacy={"improve_ai": True}, settings={"render_text": False})
    replaced = await stored.call("PUT", f"/v2/applications/{made['id']}", {"name": "Store"})
    assert replaced.status == 200
    assert replaced.body == {
        **made,
        "name": "Store",
        "keys": {"public_key": made["keys"]["public_key"]},
        "capabilities": {},
        "privacy": {"improve_ai": False},
        "settings": {"render_text": False},
    }
    assert [each.change for each in stored.changes] == [Change.CREATED, Change.CHANGED]
    assert not stored.changes[-1].ends_sessions


async def test_replacing_needs_a_name(scene: Scene) -> None:
    made = await _make(scene)
    assert (await scene.call("PUT", f"/v2/applications/{made['id']}", {"capabilities": {}})).status == 400


async def test_another_public_key_ends_the_old_tokens_at_once(scene: Scene) -> None:
    made = await _make(scene)
    old = mint(made["keys"]["private_key"], made["id"], now=scene.clock.now())
    await scene.auth.authenticate(old)
    pair = generate()
    replaced = await scene.call(
        "PUT", f"/v2/applications/{made['id']}", {"name": "Shop", "keys": {"public_key": pair.public_key}}
    )
    assert replaced.status == 200
    assert replaced.body["keys"] == {"public_key": pair.public_key}
    with pytest.raises(Unauthenticated):
        await scene.auth.authenticate(old)
    assert await scene.auth.authenticate(mint(pair.private_key, made["id"], now=scene.clock.now()))
    assert scene.changes[-1].change is Change.KEY_ROTATED
    assert scene.changes[-1].ends_sessions


async def test_the_same_key_written_otherwise_rotates_nothing(scene: Scene) -> None:
    made = await _make(scene)
    same = "\n" + made["keys"]["public_key"].replace("\n", "\r\n")
    await scene.call("PUT", f"/v2/applications/{made['id']}", {"name": "Shop", "keys": {"public_key": same}})
    assert scene.changes[-1].change is Change.CHANGED


async def test_a_deleted_application_is_gone_with_its_tokens(stored: Scene) -> None:
    made = await _make(stored)
    token = mint(made["keys"]["private_key"], made["id"], now=stored.clock.now())
    await stored.auth.authenticate(token)
    deleted = await stored.call("DELETE", f"/v2/applications/{made['id']}")
    assert (deleted.status, deleted.body) == (204, None)
    with pytest.raises(Unauthenticated):
        await stored.auth.authenticate(token)
    assert stored.changes[-1].change is Change.DELETED
    for method, body in (("GET", None), ("PUT", {"name": "x"}), ("DELETE", None)):
        assert (await stored.call(method, f"/v2/applications/{made['id']}", body)).status == 404


@pytest.mark.parametrize("unknown", ["aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", "x", "AAAAAAAA-BBBB", "a%2Fb"])
async def test_an_unknown_id_is_not_found(scene: Scene, unknown: str) -> None:
    refused = await scene.call("GET", f"/v2/applications/{unknown}")
    assert refused.status == 404
    assert set(refused.body) == {"type", "title", "detail", "instance"}
    assert refused.body["detail"].endswith("does not exist, or you do not have access")


async def test_pages_go_from_end_to_end(stored: Scene) -> None:
    made = []
    for number in range(5):
        stored.clock.seconds += 1
        made.append((await _make(stored, name=f"app {number}"))["id"])
    target, seen = "/v2/applications?page_size=2", []
    while True:
        page = (await stored.call("GET", target)).body
        assert (page["page_size"], page["total_items"], page["total_pages"]) == (2, 5, 3)
        seen += [each["id"] for each in page["_embedded"]["applications"]]
        assert page["_links"]["first"]["href"] == "/v2/applications?page_size=2&page=1"
        assert page["_links"]["last"]["href"] == "/v2/applications?page_size=2&page=3"
        assert ("prev" in page["_links"]) is (page["page"] > 1)
        if "next" not in page["_links"]:
            break
        target = page["_links"]["next"]["href"]
    assert seen == made


async def test_an_empty_list_is_one_page(stored: Scene) -> None:
    page = (await stored.call("GET", "/v2/applications")).body
    assert (page["page"], page["page_size"], page["total_items"], page["total_pages"]) == (1, 10, 0, 1)
    assert page["_embedded"] == {"applications": []}


@pytest.mark.parametrize("query", ["page_size=0", "page_size=101", "page=0", "page=x", "page=99999999999999999999"])
async def test_a_page_that_cannot_be_is_refused(scene: Scene, query: str) -> None:
    assert (await scene.call("GET", f"/v2/applications?{query}")).status == 400


async def test_a_repeat_under_one_key_makes_one_application_and_shows_no_private_key_again(stored: Scene) -> None:
    first = await stored.call("POST", "/v2/applications", {"name": "Shop"}, key="once")
    again = await stored.call("POST", "/v2/applications", {"name": "Shop"}, key="once")
    assert again.status == first.status == 201
    assert again.body == {**first.body, "keys": {"public_key": first.body["keys"]["public_key"]}}
    assert (await stored.call("POST", "/v2/applications", {"name": "Other"}, key="once")).status == 409
    assert (await stored.call("GET", "/v2/applications")).body["total_items"] == len(stored.changes) == 1


async def test_only_the_account_may_ask(scene: Scene) -> None:
    made = await _make(scene)
    for secret in (None, "", "wrong"):
        refused = await scene.call("GET", "/v2/applications", secret=secret)
        assert refused.status == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
        assert refused.body["type"].endswith("#unauthorized")
        assert (await scene.call("DELETE", f"/v2/applications/{made['id']}", secret=secret)).status == 401
    assert (
        await scene.call("GET", "/v2/applications?api_key=abcd1234&api_secret=first-Secret-1", secret=None)
    ).status == 200
    assert (await scene.call("GET", "/v2/applications")).body["total_items"] == 1
