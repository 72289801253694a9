"""A server with an application whose key is kept in the shell's directory, and somebody who writes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from legato.auth import mint
from legato.config import load
from legato.testing.receiver import Receiver
from legato.testing.server import Server

from .shell import Shell

SIGNATURE_SECRET = "s" * 40
SOON = {
    "LEGATO_WEBHOOK_RETRY_SECONDS": "0.1",
    "LEGATO_DANGEROUS_ALLOW_PRIVATE_ADDRESSES": "true",
    "LEGATO_SIGNATURE_SECRET": SIGNATURE_SECRET,
}


@dataclass
class Scene:
    """``application_id`` has no endpoint unless a test gives it one."""

    shell: Shell
    server: Server
    receiver: Receiver
    application_id: str
    conversations: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """A call with the application's token."""
        key = load().installation.key(self.application_id)
        assert key is not None
        answer = self.server.request(method, path, body, token=mint(key, self.application_id))
        assert answer.status == status, answer
        return answer.body

    def conversation(self) -> str:
        """A new conversation's id."""
        cid: str = self.ask("POST", "/v1/conversations", {}, 201)["id"]
        return cid

    def say(self, cid: str, number: int) -> int:
        """An event of the application's own; its id."""
        event = {"type": "custom:order", "body": {"number": number}}
        event_id: int = self.ask("POST", f"/v1/conversations/{cid}/events", event, 201)["id"]
        return event_id

    def until_taken(self, known_by: str) -> None:
        """The receiver has taken an event."""
        self.receiver.until(lambda r: any(each.id == known_by and each.answered == "ok" for each in r), "it is taken")


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """A command that goes on, with what it prints and what it says; killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "legato", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            yield process, process.stdout, process.stderr
        finally:
            process.kill()
