"""The server as a process of its own: real sockets, a real database, killed for real when a test says so."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from legato.auth import CLIENT_ACL, mint
from legato.events.export import Sink, validate_event
from legato.testing.ca import Authority
from legato.testing.ports import free_port
from legato.testing.waiting import poll

START_SECONDS = 60.0  # migrations and the first start, on a busy machine
STOP_SECONDS = 30.0  # a drain that takes longer is itself a defect
PAGE = 100  # events; the most that a page holds
API_KEY = "abcd1234"
API_SECRET = "not-a-secret-1Aa"  # noqa: S105 - of a server that lives for one test


@dataclass(frozen=True, slots=True)
class Answer:
    """A REST answer."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Application:
    """An application of the server under test, with its private key."""

    id: str
    private_key: str

    def token(self, user: str | None = None, **options: Any) -> str:
        """A token that is right: of the user of this name, else of the application. ``options`` are ``mint``'s."""
        acl = None if user is None else CLIENT_ACL
        return mint(self.private_key, self.id, **{"sub": user, "acl": acl, **options})


class Server:
    """``legato serve`` on a free port of 127.0.0.1, with its files under ``directory``.

    ``database_url`` is SQLite below ``directory`` unless given. With an ``authority`` it speaks TLS, and its attribute
    ``trust`` is what clients need for that. ``settings`` are environment variables. ``before`` is put before the
    command line: ``("strace", …)``.
    """

    command: ClassVar[tuple[str, ...]] = (sys.executable, "-m", "legato", "serve")

    def __init__(
        self,
        directory: Path,
        *,
        database_url: str | None = None,
        authority: Authority | None = None,
        settings: Mapping[str, str] | None = None,
        before: tuple[str, ...] = (),
    ) -> None:
        self.directory = directory
        self.port = free_port()
        scheme = "http" if authority is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.database_url = database_url or f"sqlite:///{directory / 'legato.db'}"
        self.log = directory / "server.log"
        self._before = before
        self.trust = None if authority is None else ssl.create_default_context(cafile=str(authority.certificate))
        self._environment = {
            "LEGATO_HOST": "127.0.0.1",
            "LEGATO_PORT": str(self.port),
            "LEGATO_PUBLIC_URL": self.url,
            "LEGATO_DATABASE_URL": self.database_url,
            "LEGATO_API_KEY": API_KEY,
            "LEGATO_API_SECRET": API_SECRET,
        }
        if authority is not None:
            identity = authority.issue("127.0.0.1", "localhost")
            self._environment["LEGATO_TLS_CERTIFICATE"] = str(identity.certificate)
            self._environment["LEGATO_TLS_KEY"] = str(identity.key)
        self._environment.update(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id. RuntimeError when it does not run."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """What a command has to be told to find the same installation, in the process's own surroundings."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEGATO_")}
        return {**inherited, **self._environment}

    def start(self) -> Server:
        """Start it and return when it answers. RuntimeError with its log when it ends instead."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                [*self._before, *self.command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
                env=self.environment,
            )
        try:
            poll(self._answers, START_SECONDS, "the server answers")
        except BaseException:
            self.kill()
            raise
        return self

    def internal_errors(self) -> list[str]:
        """What its log says of requests that were answered with 500, and of commits that failed for no known reason."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "internal error, instance" in line or 'could not be committed"' in line]

    def kill(self) -> None:
        """``kill -9``."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end and wait until it has. RuntimeError when it does not end, or not well."""
        if self._process is None:
            return
        code = self._end(signal.SIGTERM)
        if code not in (0, -signal.SIGTERM):
            raise RuntimeError(f"the server ended with {code}:\n{self.log.read_text(errors='replace')[-4000:]}")

    def restart(self) -> Server:
        """The same server again, on the same port and database."""
        return self.start()

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"the server did not end on {how.name} within {STOP_SECONDS:g} s") from None
        finally:
            self._process = None

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"the server ended:\n{self.log.read_text(errors='replace')[-4000:]}")
        try:
            return self.request("GET", "/v1/ping").status == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def request(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, basic: bool = False
    ) -> Answer:
        """One REST call, blocking; for setting a scene. A refusal is an answer, not an exception."""
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if basic:
            headers["Authorization"] = f"Basic {b64encode(f'{API_KEY}:{API_SECRET}'.encode()).decode()}"
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS, context=self.trust) as reply:  # noqa: S310
                return Answer(reply.status, dict(reply.headers), _decoded(reply.read()))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, dict(refused.headers), _decoded(refused.read()))

    def application(self, name: str = "test", **capabilities: Any) -> Application:
        """A new application, made through the Applications API."""
        made = self.request("POST", "/v2/applications", {"name": name, "capabilities": capabilities}, basic=True)
        if made.status != 201:
            raise RuntimeError(f"the application was not made: {made}")
        return Application(made.body["id"], made.body["keys"]["private_key"])

    def user(self, application: Application, name: str, **fields: Any) -> str:
        """A new user's id."""
        made = self.request("POST", "/v1/users", {"name": name, **fields}, token=application.token())
        if made.status != 201:
            raise RuntimeError(f"the user was not made: {made}")
        user_id: str = made.body["id"]
        return user_id

    def history(self, application: Application, conversation_id: str) -> list[dict[str, Any]]:
        """Every event of a conversation as its application reads it, in order.

        ValueError when one is not what its type promises.
        """
        events: list[dict[str, Any]] = []
        token = application.token()
        while True:
            start = events[-1]["id"] + 1 if events else 1
            path = f"/v0.3/conversations/{conversation_id}/events?page_size={PAGE}&order=asc&start_id={start}"
            page = self.request("GET", path, token=token)
            if page.status != 200:
                raise RuntimeError(f"the log was not read: {page}")
            found = page.body["_embedded"]["events"]
            for event in found:
                validate_event(event, Sink.LOG)
            events += found
            if len(found) < PAGE:
                return events

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content) if content else None
    except msgspec.DecodeError:
        return content
