"""Traces of a running server, as a collector gets them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from legato.operations.traces import hindrance, is_wanted
from legato.testing.collector import Collector
from legato.testing.receiver import Receiver
from legato.testing.server import API_SECRET, Application, Server
from legato.testing.waiting import poll

SERVER, CLIENT = 2, 3
ROUTE = "/v1/conversations/{conversation_id}/events"
THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def traced(collector: Collector) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
        "LEGATO_DANGEROUS_ALLOW_PRIVATE_ADDRESSES": "true",
    }


def room(server: Server, application: Application) -> str:
    """A conversation that alice is in."""
    server.user(application, "alice")
    cid: str = server.request("POST", "/v1/conversations", {}, token=application.token()).body["id"]
    member = {"user": {"name": "alice"}, "state": "joined", "channel": {"type": "app"}}
    server.request("POST", f"/v1/conversations/{cid}/members", member, token=application.token())
    return cid


async def say(server: Server, token: str, cid: str, *texts: str, **headers: str) -> list[int]:
    async with aiohttp.ClientSession() as client:

        async def post(text: str) -> int:
            fields = {"Authorization": f"Bearer {token}", **headers}
            body = {"type": "text", "body": {"text": text}}
            async with client.post(f"{server.url}/v1/conversations/{cid}/events", json=body, headers=fields) as reply:
                return reply.status

        return await asyncio.gather(*map(post, texts))


async def test_a_posted_event_is_a_trace_from_its_request_to_the_commit_and_each_attempt_is_one(
    make_server: Callable[..., Server], collector: Collector
) -> None:
    with Receiver() as receiver:
        server = make_server(settings=traced(collector))
        rtc = {"webhooks": {"event_url": {"address": f"{receiver.url}?key=hush", "http_method": "POST"}}}
        application = server.application(rtc=rtc)
        cid = room(server, application)
        token = application.token("alice")
        headers = {"traceparent": THEIRS, "X-Request-Id": "req-7", "tracestate": "a=b"}
        assert await say(server, token, cid, "not to be told", **headers) == [201]
        (text,) = [one for one in receiver.until(_has_text, "the text comes") if one.event["type"] == "text"]
        requests = collector.until(f"POST {ROUTE}")
        poll(lambda: any(_of(text)(span) for span in collector.named("webhook")), 30.0, "the attempt is told")
        server.stop()

    (request,) = requests
    assert (request.kind, request.trace, request.parent) == (SERVER, *THEIRS.split("-")[1:3])
    told = {"http.request.method": "POST", "http.route": ROUTE, "http.response.status_code": 201}
    assert request.attributes == {**told, "legato.request_id": "req-7"}
    assert request.resource["service.name"] == "legato"
    assert request.resource["deployment.environment"] == "test"
    (command,) = [span for span in collector.spans if span.parent == request.id]
    assert command.name.startswith("submit ")
    (batch,) = [span for span in collector.spans if span.parent == command.id]
    assert (batch.name, batch.trace) == ("batch", request.trace)
    assert batch.attributes["legato.batch.size"] >= 1  # webhooks write down how far they are in the same way
    assert request.begun <= command.begun <= batch.begun < batch.ended
    assert command.ended <= request.ended

    (attempt,) = [span for span in collector.named("webhook") if _of(text)(span)]
    assert (attempt.kind, attempt.parent) == (CLIENT, "")
    assert text.headers["traceparent"].startswith(f"00-{attempt.trace}-{attempt.id}-")
    assert "tracestate" not in text.headers
    del attempt.attributes["legato.webhook_id"]
    told = {"legato.event.type": "text", "server.address": "127.0.0.1", "http.response.status_code": 200}
    assert attempt.attributes == told
    secrets = [
        b"not to be told",
        token.encode(),
        token.rpartition(".")[2].encode(),
        b"hush",
        API_SECRET.encode(),
        b"alice",
    ]
    assert [secret for secret in secrets if any(secret in body for body in collector.bodies)] == []


def _has_text(found: list[Any]) -> bool:
    return any(one.event["type"] == "text" for one in found)


def _of(request: Any) -> Callable[[Any], bool]:
    return lambda span: bool(span.attributes["legato.webhook_id"] == request.id)


async def test_commands_that_are_committed_together_are_linked_with_their_batch(
    make_server: Callable[..., Server], collector: Collector
) -> None:
    server = make_server(settings=traced(collector))
    application = server.application()
    cid = room(server, application)
    token = application.token("alice")
    for _ in range(20):  # until some have queued behind a commit
        assert set(await say(server, token, cid, *(str(number) for number in range(20)))) == {201}
        if any(span.links for span in collector.named("batch")):
            break
    server.stop()
    batch = next(span for span in collector.named("batch") if span.links)
    by_id = {span.id: span for span in collector.spans}
    assert len(batch.links) < batch.attributes["legato.batch.size"]
    assert {by_id[link].links for link in batch.links} == {(batch.id,)}
    assert by_id[batch.parent].links == ()


def test_what_is_refused_and_what_fails_is_told_by_its_kind(
    make_server: Callable[..., Server], collector: Collector
) -> None:
    server = make_server(settings=traced(collector))
    application = server.application()
    cid = room(server, application)
    server.user(application, "bob")
    body = {"type": "text", "body": {"text": "not a member"}}
    refused = server.request("POST", f"/v1/conversations/{cid}/events", body, token=application.token("bob"))
    assert server.request("GET", "/v1/no/such/thing", token=application.token()).status == 404
    server.stop()
    (request,) = collector.named(f"POST {ROUTE}")
    assert request.attributes["http.response.status_code"] == refused.status >= 400
    assert not request.is_error
    assert collector.named("GET none")[-1].attributes["http.response.status_code"] == 404


def test_a_server_without_traces_does_not_even_load_the_library(make_server: Callable[..., Server]) -> None:
    server = make_server(settings={"PYTHONPROFILEIMPORTTIME": "1"})
    server.stop()
    loaded = server.log.read_text()
    assert "legato.operations.traces" in loaded
    assert "opentelemetry" not in loaded


def test_a_server_whose_library_is_missing_says_what_to_install_and_serves(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / "opentelemetry.py").write_text("")  # in the way of the real one
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    server = make_server(settings={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "PYTHONPATH": path})
    server.stop()
    assert "pip install 'legato-server[otel]'" in server.log.read_text()


def test_a_collector_that_is_away_holds_up_neither_requests_nor_the_end(make_server: Callable[..., Server]) -> None:
    server = make_server(settings={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert server.application().id
    server.stop()


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
    ],
)
def test_the_environment_says_whether_traces_are_wanted(environment: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environment) is wanted


def test_a_protocol_that_is_not_spoken_is_named() -> None:
    assert "grpc" in str(hindrance({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}))
    assert hindrance({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) is None
