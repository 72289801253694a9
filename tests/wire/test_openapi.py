"""A running server answers as its OpenAPI document says, to what the document allows and to what it does not.

Each operation is tried with made-up ids and with those of a small scene, by the application and by its user. Bounded:
the examples are few, and always the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core import NOT_SET

from legato.api.openapi import openapi
from legato.cli.spec import rooms
from legato.testing.server import API_KEY, API_SECRET, Application, Server

EXAMPLES: Final = 5  # of each operation and kind of input: thousands are for a long evening, these for every change
DOCUMENT = openapi(rooms(), version="0")
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS: list[APIOperation] = [found.ok() for found in SCHEMA.get_all_operations()]
# Its answer has no end: whoever calls it reads it as it comes (tests/unit/cli/test_listen.py).
ENDLESS: Final = "/v1/webhooks/listen"
PERFORMED = [found for found in OPERATIONS if "501" not in found.definition.raw["responses"] and found.path != ENDLESS]
# Telemetry is taken as it comes: no object is wrong.
REFUSING = [found for found in PERFORMED if (found.body or found.query) and found.path != "/v2/rtc/metrics"]
NOT_PERFORMED = [found for found in OPERATIONS if found not in PERFORMED and found.path != ENDLESS]
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)


# What chance does not find: a member or an event is made of ids and types that fit each other.
CHANGED: Final = ("/events", "/members", "/members/{member_id}")


def label(operation: APIOperation) -> str:
    return operation.label


@dataclass
class World:
    """A server, an application with alice and bob, and numbers for names that are not taken yet."""

    server: Server
    application: Application
    alice: str
    numbers: Iterator[int]

    def credentials(self, operation: APIOperation) -> list[dict[str, str]]:
        """Headers of everybody who could call it."""
        if {"account": []} in operation.definition.raw["security"]:
            return [{"Authorization": requests.auth._basic_auth_str(API_KEY, API_SECRET)}]
        tokens = self.application.token(ttl=3600), self.application.token("alice", ttl=3600)
        return [{"Authorization": f"Bearer {token}"} for token in tokens]

    def scene(self, operation: APIOperation) -> dict[str, Any]:
        """Ids for the operation's path, of things that are there."""
        names = {parameter["name"] for parameter in operation.definition.raw["parameters"] if parameter["in"] == "path"}
        return {name: getattr(self, name)() for name in sorted(names)} if names else {}

    def post(self, path: str, body: Any, user: str | None = None) -> Any:
        """Makes something and gives its id."""
        made = self.server.request("POST", path, body, token=self.application.token(user))
        assert made.status == 201, made
        return made.body["id"]

    def application_id(self) -> str:
        return self.server.application("another").id

    def secret_id(self) -> str:
        return "unknown"

    def user_id(self) -> str:
        return self.server.user(self.application, f"user-{next(self.numbers)}")

    def conversation_id(self) -> str:
        self._conversation: str = self.post("/v1/conversations", {"name": f"conversation-{next(self.numbers)}"})
        return self._conversation

    def member_id(self) -> str:
        body = {"state": "joined", "user": {"id": self.alice}, "channel": {"type": "app"}}
        return self.post(f"/v1/conversations/{self._conversation}/members", body)

    def event_id(self) -> int:
        said = {"type": "text", "from": self.member_id(), "body": {"text": "hello"}}
        return self.post(f"/v1/conversations/{self._conversation}/events", said)

    def media_id(self) -> str:
        sent = requests.post(
            f"{self.server.url}/v3/media",
            files={"filedata": ("a.txt", b"hello", "text/plain")},
            headers={"Authorization": f"Bearer {self.application.token('alice')}"},
            timeout=30,
        )
        return sent.json()["id"]

    def device_id(self) -> str:
        body = {"device_type": "android", "tokens": {"push": {"token": "t"}}}
        device_id = f"device-{next(self.numbers)}"
        made = self.server.request("PUT", f"/v1/devices/{device_id}", body, token=self.application.token("alice"))
        assert made.status == 201, made
        return device_id

    def session_id(self) -> str:
        return "SES-00000000-0000-4000-8000-000000000000"

    def endpoint_id(self) -> str:
        return self.application.id

    def data_centre(self) -> str:
        return "local"


def bodies(world: World, operation: APIOperation, path: dict[str, Any]) -> list[Any]:
    """Requests that are right, one after the other."""
    is_old = operation.path.startswith(("/v0.1", "/v0.2"))
    if operation.method not in ("post", "put", "patch"):
        return [NOT_SET]
    if operation.path.endswith("/events"):
        member, text = world.member_id(), {"text": "hello"}
        return [{"type": kind, "from": member, "body": text} for kind in ("text", "custom:x", "ephemeral")]
    if operation.path.endswith("/members"):
        user, channel = world.user_id(), {"type": "app"}
        if is_old:
            return [{"action": action, "user_id": user, "channel": channel} for action in ("invite", "join")]
        return [{"state": state, "user": {"id": user}, "channel": channel} for state in ("invited", "joined")]
    invited = {"state": "invited", "user": {"id": world.user_id()}, "channel": {"type": "app"}}
    path["member_id"] = world.post(f"/v1/conversations/{path['conversation_id']}/members", invited)
    if is_old:
        return [{"action": "join", "channel": {"type": "app"}}]
    return [{"state": "joined", "channel": {"type": "app"}}, {"state": "left"}]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    no_limits = {"LEGATO_USER_RATE": "0", "LEGATO_APPLICATION_RATE": "0"}
    with Server(tmp_path_factory.mktemp("openapi"), settings=no_limits) as server:
        # An endpoint that is never reached: the guard lets nothing out to this machine.
        rtc = {"webhooks": {"event_url": {"address": "http://127.0.0.1:9/"}}}
        application = server.application("openapi", rtc=rtc)
        yield World(server, application, server.user(application, "alice"), itertools.count())


def play(world: World, operation: APIOperation, mode: GenerationMode, path: dict[str, Any] | None = None) -> None:
    """Sends the operation's examples and checks what comes back."""
    senders = st.sampled_from(world.credentials(operation))
    cases = senders.flatmap(lambda sender: operation.as_strategy(mode, path_parameters=path or None, headers=sender))

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def one(case: Case) -> None:
        case.validate_response(case.call(base_url=world.server.url), checks=CHECKED)

    one()


@pytest.mark.parametrize("operation", PERFORMED, ids=label)
def test_an_operation_on_what_is_there_answers_as_documented(world: World, operation: APIOperation) -> None:
    play(world, operation, GenerationMode.POSITIVE, world.scene(operation))


@pytest.mark.parametrize("operation", PERFORMED, ids=label)
def test_an_operation_on_what_is_not_there_answers_as_documented(world: World, operation: APIOperation) -> None:
    play(world, operation, GenerationMode.POSITIVE)


@pytest.mark.parametrize("operation", REFUSING, ids=label)
def test_a_wrong_request_is_refused_as_documented(world: World, operation: APIOperation) -> None:
    play(world, operation, GenerationMode.NEGATIVE, world.scene(operation))


@pytest.mark.parametrize("operation", [found for found in PERFORMED if found.path.endswith(CHANGED)], ids=label)
def test_a_right_request_succeeds_as_documented(world: World, operation: APIOperation) -> None:
    path = world.scene(operation)
    for body in bodies(world, operation, path):
        case = operation.Case(path_parameters=path, body=body, media_type="application/json")
        answer = case.call(base_url=world.server.url, headers=world.credentials(operation)[0])
        assert answer.status_code in (200, 201, 204), answer.text
        case.validate_response(answer, checks=CHECKED)


@pytest.mark.parametrize("operation", NOT_PERFORMED, ids=label)
def test_what_cannot_be_performed_says_so(world: World, operation: APIOperation) -> None:
    path = {parameter["name"]: "x" for parameter in operation.definition.raw["parameters"]}
    case = operation.Case(path_parameters=path)
    answer = case.call(base_url=world.server.url, headers=world.credentials(operation)[0])
    assert answer.status_code == 501
    case.validate_response(answer, checks=[check for check in CHECKED if check.__name__ != "not_a_server_error"])


def test_the_server_serves_the_document(world: World) -> None:
    served = requests.get(f"{world.server.url}/openapi.json", timeout=30).json()
    assert served["paths"].keys() == DOCUMENT["paths"].keys()
    assert served["servers"] == [{"url": world.server.url}]
