"""A server that retries soon, a receiver in a process of its own, and an application between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from legato.testing.receiver import Receiver
from legato.testing.server import Application, Server
from legato.testing.waiting import PATIENCE_SECONDS, poll

INTEROP = Path(__file__).parents[2] / "interop"
SIGNATURE_SECRET = "s" * 40
# Retries after 0.1, 0.3, 0.6, 1.4 s …
SOON = {
    "LEGATO_WEBHOOK_RETRY_SECONDS": "0.1",
    "LEGATO_WEBHOOK_POISON_SECONDS": "2",
    "LEGATO_DANGEROUS_ALLOW_PRIVATE_ADDRESSES": "true",
    "LEGATO_SIGNATURE_SECRET": SIGNATURE_SECRET,
    "LEGATO_USER_RATE": "0",
}


@dataclass
class Scene:
    """Somebody who writes, and where it is told."""

    server: Server
    receiver: Receiver
    application: Application

    def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """A call with the application's token."""
        answer = self.server.request(method, path, body, token=self.application.token())
        assert answer.status == status, answer
        return answer.body

    def conversation(self, **fields: Any) -> str:
        """A new conversation's id, alice in it."""
        if not self.ask("GET", "/v1/users?name=alice")["_embedded"]["users"]:
            self.server.user(self.application, "alice")
        cid: str = self.ask("POST", "/v1/conversations", fields, 201)["id"]
        member = {"user": {"name": "alice"}, "state": "joined", "channel": {"type": "app"}}
        self.ask("POST", f"/v1/conversations/{cid}/members", member, 201)
        return cid

    def text(self, cid: str, text: str) -> int:
        """A text of alice's; its id."""
        answer = self.server.request(
            "POST",
            f"/v1/conversations/{cid}/events",
            {"type": "text", "body": {"text": text}},
            token=self.application.token("alice"),
        )
        assert answer.status == 201, answer
        event_id: int = answer.body["id"]
        return event_id

    def log(self, cid: str) -> list[dict[str, Any]]:
        """The log, as history has it."""
        path = f"/v0.3/conversations/{cid}/events?page_size=100&order=asc"
        found: list[dict[str, Any]] = self.ask("GET", path)["_embedded"]["events"]
        return found

    def endpoint(self, id_: str | None = None) -> dict[str, Any]:
        """The application's endpoint, or the one of this id."""
        found: dict[str, Any] = self.ask("GET", f"/v1/webhooks/{id_ or self.application.id}")
        return found

    def until(self, found: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """What ``found`` finds, once it finds something."""
        kept: list[Any] = []

        def holds() -> bool:
            kept[:] = [found()]
            return bool(kept[0])

        poll(holds, seconds, what)
        return kept[0]

    def until_endpoint(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The application's endpoint, once ``condition`` of it holds."""

        def found() -> dict[str, Any] | None:
            endpoint = self.endpoint()
            return endpoint if condition(endpoint) else None

        endpoint: dict[str, Any] = self.until(found, "the endpoint is so")
        return endpoint

    def point_at(self, url: str, method: str = "POST") -> None:
        """The application's events go elsewhere from now on."""
        rtc = {"webhooks": {"event_url": {"address": url, "http_method": method}}}
        body = {"name": "test", "capabilities": {"rtc": rtc}}
        answer = self.server.request("PUT", f"/v2/applications/{self.application.id}", body, basic=True)
        assert answer.status == 200, answer


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with Receiver() as running:
        yield running


@pytest.fixture
def settings() -> dict[str, str]:
    """The server's."""
    return SOON


@pytest.fixture
def scene(
    store: str, shared_server: Callable[..., Server], receiver: Receiver, settings: dict[str, str]
) -> Iterator[Scene]:
    """On each store."""
    with passing_scene(shared_server(store, **settings), receiver) as made:
        yield made


@pytest.fixture
def own_scene(database_url: str, make_server: Callable[..., Server], receiver: Receiver) -> Scene:
    """On each store, with a server that no other test has: for what changes the account."""
    return make_scene(make_server(database_url=database_url, settings=SOON), receiver)


@pytest.fixture
def strict_scene(store: str, shared_server: Callable[..., Server], receiver: Receiver) -> Iterator[Scene]:
    """The same with the guard as it is by default: it cannot reach its receiver."""
    settings = {name: value for name, value in SOON.items() if "DANGEROUS" not in name}
    with passing_scene(shared_server(store, **settings), receiver) as made:
        yield made


@contextmanager
def passing_scene(server: Server, receiver: Receiver) -> Iterator[Scene]:
    """On a server that goes on: at its end the application is deleted, so that nothing of it is retried."""
    scene = make_scene(server, receiver)
    yield scene
    deleted = server.request("DELETE", f"/v2/applications/{scene.application.id}", basic=True)
    assert deleted.status == 204, deleted


def make_scene(server: Server, receiver: Receiver) -> Scene:
    """An application of the test's own between a server and a receiver."""
    rtc = {"webhooks": {"event_url": {"address": receiver.url, "http_method": "POST"}}, "signed_callbacks": True}
    return Scene(server, receiver, server.application(rtc=rtc))
