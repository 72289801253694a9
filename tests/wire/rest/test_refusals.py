"""What every route refuses alike: shapes of errors, CORS, credentials, bodies, limits."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from legato.api import ApiSettings
from tests.wire.rest.stage import OLD, OTHER, PREFIXES, URL, Stage, stage

MISSING = "/users/USR-00000000-0000-4000-8000-000000000000"


async def test_the_old_generations_answer_a_code_and_a_description(api: Stage) -> None:
    for prefix in ("beta", "v0.1", "beta2", "v0.2"):
        answer = await api.call("GET", f"/{prefix}{MISSING}")
        assert answer.status == 404
        assert set(answer.body) == {"code", "description"}
        invalid = await api.call("POST", f"/{prefix}/conversations", {"name": 7})
        assert invalid.body == {
            "code": "http:error:validation-fail",
            "description": "Input validation failure.",
            "error": {"name": '"name" must be a string'},
        }


async def test_the_new_generations_answer_a_problem(api: Stage) -> None:
    for prefix, host in (("v0.3", "developer.nexmo.com"), ("v1", "developer.vonage.com")):
        answer = await api.call("GET", f"/{prefix}{MISSING}")
        instance = answer.body.pop("instance")
        assert len(instance) == 32
        assert answer.body == {
            "type": f"https://{host}/api/conversation#user:error:not-found",
            "title": "Not found.",
            "code": "user:error:not-found",
            "detail": "The user does not exist, or you do not have access to it.",
        }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "http:error:not-found"),
        ("GET", "/v9/users", 404, "http:error:not-found"),
        ("GET", "/v1", 404, "http:error:not-found"),
        ("GET", "/v1//users", 404, "http:error:not-found"),
        ("GET", "*", 404, "http:error:not-found"),
        ("GET", "/v1/conversations//members", 404, "http:error:not-found"),
        ("GET", "/v1/users/a/b/c", 404, "http:error:not-found"),
        ("DELETE", "/v1/users", 405, "http:error:method-not-allowed"),
        ("PATCH", "/beta/users/x", 405, "http:error:method-not-allowed"),
        ("TRACE", "/v1/users", 405, "http:error:method-not-allowed"),
        ("GET", "/v1/users/%FF", 400, "http:error:validation-fail"),
        ("GET", "/v1/" + "x" * 5_000, 404, "http:error:not-found"),
    ],
)
async def test_what_no_route_answers_is_refused_with_cors(
    api: Stage, method: str, path: str, status: int, code: str
) -> None:
    answer = await api.call(method, path)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert ("allow" in answer.headers) == (status == 405)


async def test_a_preflight_needs_no_token_and_lets_browsers_do_what_clients_do(api: Stage) -> None:
    for prefix in PREFIXES:
        answer = await api.call("OPTIONS", f"/{prefix}/conversations", token=None)
        assert (answer.status, answer.body) == (204, None)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(
            answer.headers["access-control-allow-methods"].split(", ")
        )
        allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
        assert {"authorization", "content-type", "idempotency-key"} <= set(allowed)


async def test_every_answer_carries_cors(api: Stage) -> None:
    for answer in (
        await api.call("GET", "/v1/conversations"),
        await api.call("POST", "/v1/conversations", {}),
        await api.call("POST", "/v1/conversations", raw=b"{"),
        await api.call("GET", "/v1/conversations", token=None),
        await api.call("DELETE", f"/v1/conversations/{await api.conversation()}"),
    ):
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_trailing_slash_is_tolerated(api: Stage) -> None:
    cid = await api.conversation()
    for path in ("/v1/conversations/", f"/v1/conversations/{cid}/", f"/v1/conversations/{cid}/events/"):
        assert (await api.call("GET", path)).status == 200


async def test_ping_answers_under_every_prefix(api: Stage) -> None:
    for prefix in (*PREFIXES, "v2", "v3"):
        assert (await api.call("GET", f"/{prefix}/ping", token=None)).status == 200


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda s: None, "system:error:invalid-token"),
        (lambda s: "nonsense", "system:error:invalid-token"),
        (lambda s: s.token("nobody"), "user:error:not-found"),
        (lambda s: s.token(now=s.clock.now() - 3_600), "system:error:expired-token"),
        (lambda s: s.token(claims={"application_id": OTHER}), "system:error:invalid-token"),
        (lambda s: s.token(claims={"exp": s.clock.now() + 10 * 86_400}), "system:error:invalid-token"),
    ],
)
async def test_who_is_not_known_is_answered_401(api: Stage, token: Any, code: str) -> None:
    for prefix in ("beta", "v0.3"):
        answer = await api.call("GET", f"/{prefix}/users/me", token=token(api))
        assert (answer.status, answer.body["code"]) == (401, code)
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_tokens_list_decides_what_it_reaches(api: Stage) -> None:
    await api.user("alice")
    for acl, status in (
        (None, 403),
        ({"paths": {}}, 403),
        ({"paths": {"/*/users/**": {"methods": ["POST"]}}}, 403),
        ({"paths": {"/v1/users/*": {}}}, 200),
        ({"paths": {"/*/users/**": {"methods": ["GET"]}}}, 200),
        ({"paths": {"/**": {}}}, 200),
    ):
        answer = await api.call("GET", "/v1/users/me", token=api.token("alice", acl=acl))
        assert answer.status == status
        assert status == 200 or answer.body["code"] == "system:error:permission"


async def test_a_list_with_filters_looks_at_the_body(api: Stage) -> None:
    acl = {"paths": {"/*/conversations": {"filters": {"name": "mine"}}}}
    token = api.token(acl=acl)
    assert (await api.call("POST", "/v1/conversations", {"name": "other"}, token=token)).status == 403
    assert (await api.call("POST", "/v1/conversations", raw=b"[]", token=token)).status == 403
    assert (await api.call("POST", "/v1/conversations?name=mine", {}, token=token)).status == 403
    assert (await api.call("POST", "/v1/conversations", {"name": "mine"}, token=token)).status == 201
    assert (await api.call("GET", "/v1/conversations?name=mine", token=token)).status == 200
    assert (await api.call("GET", "/v1/conversations", token=token)).status == 403


async def test_a_slash_inside_a_segment_takes_a_list_no_further(api: Stage) -> None:
    await api.user("a/events")
    token = api.token(acl={"paths": {"/v1/users/*/events": {}}})
    assert (await api.call("GET", "/v1/users/a%2Fevents", token=token)).status == 403
    token = api.token(acl={"paths": {"/v1/users/*": {}}})
    assert (await api.call("GET", "/v1/users/a%2Fevents", token=token)).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b'{"name": "a"} trailing',
        b'{"name": "\xff"}',
        b'{"nobody reads": "\xff"}',
        b'{"name": "\\ud800"}',
        b"\x00",
        b'{"properties": {"custom_data": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}}",
        b'{"properties": {"custom_data": {"a": 1e999}}}',
    ],
)
async def test_a_body_that_is_not_json_is_refused_and_changes_nothing(api: Stage, raw: bytes) -> None:
    for prefix in ("beta", "v1"):
        answer = await api.call("POST", f"/{prefix}/conversations", raw=raw)
        assert (answer.status, answer.body["code"]) == (400, "http:error:validation-fail")
    assert (await api.must("GET", "/beta/conversations"))["count"] == 0


async def test_a_body_of_another_type_is_refused(api: Stage) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = await api.call("POST", "/v1/conversations", {"name": "a"}, headers={"content-type": kind})
        assert (answer.status, answer.body["code"]) == (415, "http:error:unsupported-media-type")
    utf8 = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await api.call("POST", "/v1/conversations", {}, headers=utf8)).status == 201


async def test_an_oversize_body_is_refused_by_length_and_by_weight(api: Stage) -> None:
    heavy = b'{"name": "' + b"a" * 300_000 + b'"}'
    for headers in ({}, {"content-length": str(len(heavy))}):
        answer = await api.call("POST", "/v1/conversations", raw=heavy, headers=headers)
        assert (answer.status, answer.body["code"]) == (413, "http:error:payload-too-large")


async def test_an_unexpected_error_is_a_500_whose_instance_is_in_the_log_without_its_text(
    api: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(work: object) -> None:
        raise RuntimeError("the text of a message")

    monkeypatch.setattr(api.log, "read", broken)
    with caplog.at_level(logging.ERROR, logger="legato.api.errors"):
        answer = await api.call("GET", "/v1/conversations")
    assert (answer.status, answer.body["code"]) == (500, "system:error:internal-error")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.body["instance"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "the text of a message" not in caplog.text


async def test_who_asks_too_often_is_told_when_to_come_back(sqlite_url: str) -> None:
    settings = ApiSettings(public_url=URL, user_rate=1, user_burst=3, application_rate=0)
    async with stage(sqlite_url, settings) as api:
        for name in ("alice", "bob"):
            await api.user(name)
        token = api.token("alice")
        statuses = [(await api.call("GET", "/v1/users/me", token=token)).status for _ in range(3)]
        assert statuses == [200, 200, 200]
        refused = await api.call("GET", "/v0.3/users/me", token=token)
        assert (refused.status, refused.body["code"]) == (429, "http:error:too-many-requests")
        assert refused.headers["retry-after"] == "1"
        assert (await api.call("GET", "/v1/users/me", as_="bob")).status == 200
        assert (await api.call("GET", "/v1/users")).status == 200


async def test_an_application_has_a_limit_of_its_own(sqlite_url: str) -> None:
    settings = ApiSettings(public_url=URL, application_rate=1, application_burst=2)
    async with stage(sqlite_url, settings) as api:
        statuses = [(await api.call("GET", "/v1/users")).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await api.call("GET", "/v1/users", token=api.token(application=OTHER))).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/beta/knocking"),
        ("DELETE", "/v0.3/knocking/x"),
        ("POST", "/v0.3/legs"),
        ("GET", "/v0.3/legs/x"),
        ("GET", "/v0.3/conversations/x/legs"),
        ("POST", "/beta/conversations/x/rtc"),
        ("POST", "/v0.3/conversations/x/rtc/y/offer"),
        ("DELETE", "/beta2/conversations/x/rtc/y"),
        ("POST", "/v1/calls"),
        ("PUT", "/v1/calls/x/talk"),
        ("PUT", "/v1/conversations/x/record"),
    ],
)
async def test_what_needs_calls_is_not_available_but_needs_a_token(api: Stage, method: str, path: str) -> None:
    answer = await api.call(method, path, {})
    assert (answer.status, answer.body["code"]) == (501, "system:error:not-available")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (await api.call(method, path, {}, token=None)).status == 401


@pytest.mark.parametrize(("method", "path"), [("POST", "/sessions"), ("DELETE", "/capis/capi-1")])
async def test_what_only_the_platforms_gateways_do_says_where_sessions_are_made(
    api: Stage, method: str, path: str
) -> None:
    for prefix in PREFIXES:
        answer = await api.call(method, f"/{prefix}{path}", {"capi_id": "capi-1", "callback": "https://gw.example"})
        assert (answer.status, answer.body["code"]) == (501, "system:error:not-available")
        assert "socket" in answer.body["description" if prefix in OLD else "detail"]
        assert (await api.call(method, f"/{prefix}{path}", token=None)).status == 401


async def test_the_emergency_api_is_not_available_and_asks_for_no_token(api: Stage) -> None:
    for method, path in (("POST", "/call"), ("PUT", "/call/x/offer"), ("DELETE", "/call/x")):
        answer = await api.call(method, f"/v1/emergency{path}", {}, token=None)
        assert (answer.status, answer.body["code"]) == (501, "system:error:not-available")


async def test_metrics_are_taken_from_anybody(api: Stage) -> None:
    for options in ({}, {"token": None}, {"headers": {"content-type": "text/plain;charset=UTF-8"}}):
        answer = await api.call("POST", "/v2/rtc/metrics", {"sessionId": "SES-1", "metrics": []}, **options)
        assert (answer.status, answer.body) == (200, {})
    assert api.api.owns("/v2/rtc/metrics")
    assert not api.api.owns("/v2/rtc/")
    assert not api.api.owns("/")


async def test_discovery_tells_where_the_server_is(api: Stage) -> None:
    places = await api.must("GET", "/v0.3/discovery/api", token=None)
    assert places == {"local": {"endpoint": URL, "https": f"{URL}/v0.3/ping", "ws": URL}}
    assert await api.must("GET", "/v0.3/discovery/media/wdc", token=None) == []
