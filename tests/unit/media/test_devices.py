"""Devices over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.media.stage import Stage

from legato.store.devices import MAX_DEVICES

OLD: dict[str, Any] = {"device_token": "t", "device_type": "android"}
NEW: dict[str, Any] = {"device_type": "ios", "tokens": {"push": {"token": "t", "bundle_id": "b"}}}


@pytest.mark.parametrize(("prefix", "body"), [("beta", OLD), ("v0.1", OLD), ("beta2", NEW), ("v0.2", NEW)])
async def test_an_older_client_is_answered_with_id_and_href(on_stage: Stage, prefix: str, body: Any) -> None:
    path = f"/{prefix}/devices/phone-1"
    for _ in range(2):
        put = await on_stage.call("PUT", path, json=body)
        assert (put.status, put.json) == (200, {"id": "phone-1", "href": path})
    assert (await on_stage.call("GET", path)).json == {"id": "phone-1", **body}
    gone = await on_stage.call("DELETE", path)
    assert (gone.status, gone.json) == (200, {"id": "phone-1", "href": path})
    missing = await on_stage.call("GET", path)
    assert (missing.status, missing.json["code"]) == (404, "device:error:not-found")


@pytest.mark.parametrize("prefix", ["v0.3", "v1"])
async def test_a_newer_client_is_answered_with_the_registration(on_each_store: Stage, prefix: str) -> None:
    stage = on_each_store
    path = f"/{prefix}/devices/phone-1"
    body = {**NEW, "device_push_ttl": 300, "device_push_environment": "sandbox"}
    made = await stage.call("PUT", path, json=body)
    assert (made.status, made.json) == (201, {"id": "phone-1", **body})
    changed = await stage.call("PUT", path, json=NEW)
    assert (changed.status, changed.json) == (200, {"id": "phone-1", **NEW})
    assert (await stage.call("DELETE", path)).status == 204
    assert (await stage.call("DELETE", path)).status == 404


async def test_whoever_registers_a_device_last_has_it(on_each_store: Stage) -> None:
    stage = on_each_store
    await stage.call("PUT", "/v1/devices/phone", json=NEW)
    assert (await stage.call("GET", "/v1/devices/phone", as_="bob")).status == 404
    assert (await stage.call("PUT", "/v1/devices/phone", as_="bob", json=NEW)).status == 201
    assert (await stage.call("GET", "/v1/devices/phone")).status == 404
    assert (await stage.call("PUT", "/v1/devices/phone", as_="eve", json=NEW)).status == 201
    assert (await stage.call("GET", "/v1/devices/phone", as_="bob")).status == 200


@pytest.mark.parametrize(
    ("prefix", "body", "field"),
    [
        ("v0.1", {"device_type": "android"}, "device_token"),
        ("v0.1", {**OLD, "device_type": "fridge"}, "device_type"),
        ("v0.1", {**OLD, "device_type": "ios"}, "bundle_id"),
        ("v0.1", {**OLD, "device_push_environment": "test"}, "device_push_environment"),
        ("v0.3", {"device_type": "ios"}, "tokens"),
        ("v0.3", {"device_type": "ios", "tokens": {}}, "tokens"),
        ("v0.3", {"device_type": "ios", "tokens": {"push": {"token": ""}}}, "tokens.push.token"),
        ("v0.3", {**NEW, "device_push_ttl": 301}, "device_push_ttl"),
        ("v0.3", {**NEW, "device_push_ttl": "soon"}, "device_push_ttl"),
    ],
)
async def test_a_wrong_registration_is_refused_by_name(on_stage: Stage, prefix: str, body: Any, field: str) -> None:
    refused = await on_stage.call("PUT", f"/{prefix}/devices/phone", json=body)
    names = set(refused.json["error"]) if prefix == "v0.1" else set(refused.wrong)
    assert (refused.status, names) == (400, {field})
    assert (await on_stage.call("GET", "/v1/devices/phone")).status == 404


@pytest.mark.parametrize("device_id", ["d" * 256, "a%7fb", "%0a"])
async def test_an_impossible_id_is_refused(on_stage: Stage, device_id: str) -> None:
    refused = await on_stage.call("GET", f"/v1/devices/{device_id}")
    assert (refused.status, refused.json["code"]) == (400, "device:error:invalid")


async def test_an_application_has_no_devices(on_stage: Stage) -> None:
    assert (await on_stage.call("PUT", "/v1/devices/phone", as_="application", json=NEW)).status == 403


async def test_a_user_cannot_fill_the_store(on_stage: Stage) -> None:
    for number in range(MAX_DEVICES):
        assert (await on_stage.call("PUT", f"/v1/devices/{number}", json=NEW)).status == 201
    refused = await on_stage.call("PUT", "/v1/devices/more", json=NEW)
    assert (refused.status, refused.json["code"]) == (400, "push:register:error")
    assert (await on_stage.call("PUT", "/v1/devices/0", json=NEW)).status == 200
