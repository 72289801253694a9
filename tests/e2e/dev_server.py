"""``legato dev`` as a process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, ClassVar

from legato.testing.server import Server


class DevServer(Server):
    """The command for developers, on a free port, with what it sets up by itself."""

    command: ClassVar[tuple[str, ...]] = (sys.executable, "-m", "legato", "dev")

    def demo(self) -> dict[str, Any]:
        """What the page is told: the conversation, and the two users with fresh tokens."""
        answer = self.request("GET", "/console/demo.json")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.body
        return found

    def conversation(self) -> Scene:
        """A new conversation that alice and bob have joined, in this order."""
        demo = self.demo()
        alice, bob = demo["users"]
        made = self.request("POST", "/v0.3/conversations", {"display_name": "Alice and Bob"}, token=alice["token"])
        assert made.status == 201, made
        path = f"/v0.3/conversations/{made.body['id']}"
        members = []
        for user in (alice, bob):
            joining = {"state": "joined", "channel": {"type": "app"}, "user": {"id": user["id"]}}
            joined = self.request("POST", f"{path}/members", joining, token=user["token"])
            assert joined.status == 201, joined
            members.append(joined.body["id"])
        return Scene(self, made.body["id"], path, alice["token"], members[0])


@dataclass(frozen=True)
class Scene:
    """A conversation of alice and bob, and alice's way to it. ``path`` is its place in the API."""

    server: DevServer
    id: str
    path: str
    token: str
    member_id: str

    @property
    def url(self) -> str:
        """Its page."""
        return f"{self.server.url}/?conversation_id={self.id}"
