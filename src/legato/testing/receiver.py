"""A webhook receiver in a process of its own: it records what comes, and fails in whatever way a test asks for.

::

    POST, GET /hook, /hook/…      recorded, and answered as `behave` said last
    GET  /-/requests?after=N      what was recorded after the N-th
    PUT  /-/behaviour             {"answer": "ok"}, or "500", "503", "410", "garbage", "nothing", "slow" …
    PUT  /-/behaviour/hook/x      the same for what comes to /hook/x

``python -m legato.testing.receiver PORT [JOURNAL]`` starts one. With a journal it knows after ``kill -9`` what it had
recorded: a request is in that file before it is answered.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from legato.testing.ports import free_port
from legato.testing.waiting import PATIENCE_SECONDS, poll

START_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 0.1  # between two questions for what has come
# Requests that are remembered; a test that sends more counts them some other way.
MAX_REQUESTS: Final = 200_000


class Received(msgspec.Struct, frozen=True):
    """A request as it came: ``number`` counts from 1, ``body`` is its exact bytes, ``answered`` how it was answered.

    ``at`` is when it had come, in seconds since 1970.
    """

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    answered: str
    at: float = 0.0

    @property
    def event(self) -> dict[str, Any]:
        """The body as JSON."""
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded

    @property
    def id(self) -> str:
        """``webhook-id``."""
        return self.headers["webhook-id"]

    @property
    def was_taken(self) -> bool:
        """Whether it was answered with success."""
        return self.answered in ("ok", "slow")


class Behaviour(msgspec.Struct, frozen=True):
    """How to answer. ``only`` limits it to requests whose body holds this text; all others are answered with 200.

    ``every`` answers some in another way: ``{"500": 40}`` every fortieth request with 500, the first that fits.
    ``answer`` is ``ok``, a status, ``garbage`` (no HTTP), ``nothing`` (never answered), ``hangup`` (closed without an
    answer) or ``slow`` (200, in small pieces over ``seconds``). ``retry_after`` is the header of that name, for what is
    no success. With a ``signature_secret``, what has no token of it is answered with 401.
    ``location`` is where a redirect leads, ``said`` the body of an answer.
    """

    answer: str = "ok"
    only: str | None = None
    retry_after: str | None = None
    seconds: float = 1.0
    every: dict[str, int] = {}
    signature_secret: str | None = None
    location: str | None = None
    said: str = ""

    def at(self, number: int) -> str:
        """The answer to the request of this number."""
        return next((answer for answer, each in self.every.items() if number % each == 0), self.answer)


class Receiver:
    """A receiver that runs, for a test; ``with Receiver() as receiver: …``. ``port`` stays when it is started again."""

    def __init__(self, journal: Path | None = None) -> None:
        self.port = free_port()
        self._journal = journal
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Receiver:
        """Start it and return when it answers."""
        command = [sys.executable, "-m", "legato.testing.receiver", str(self.port)]
        if self._journal is not None:
            command.append(str(self._journal))
        self._process = subprocess.Popen(command)  # noqa: S603 - our own arguments, no shell
        poll(self._answers, START_SECONDS, "the receiver answers")
        return self

    def kill(self) -> None:
        """``kill -9``. Without a journal, what it has recorded is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it."""
        self._end(signal.SIGTERM)

    def behave(self, answer: str = "ok", *, path: str = "", **more: Any) -> None:
        """From now on, answer so (see ``Behaviour``) whatever comes; with ``path``, what comes there."""
        behaviour = msgspec.json.encode(Behaviour(answer, **more))
        self._ask("PUT", f"/-/behaviour{path}", behaviour)

    def requests(self, after: int = 0) -> list[Received]:
        """What has come since the ``after``-th request."""
        return msgspec.json.decode(self._ask("GET", f"/-/requests?after={after}"), type=list[Received])

    def accepted(self) -> list[Received]:
        """What was answered with success."""
        return [each for each in self.requests() if each.was_taken]

    def until(
        self, condition: Callable[[list[Received]], Any], what: str, seconds: float = PATIENCE_SECONDS
    ) -> list[Received]:
        """What has come once ``condition`` of it holds. AssertionError when it does not in time."""
        found: list[Received] = []

        def holds() -> bool:
            found[:] = self.requests()
            return bool(condition(found))

        poll(holds, seconds, what)
        return found

    def until_told(self, ids: Iterable[str], seconds: float = PATIENCE_SECONDS) -> None:
        """Returns once each of these events was sent, however many they are. AssertionError when for so long none of
        those that are missing comes.
        """
        missing, seen, deadline = set(ids), 0, time.monotonic() + seconds
        while missing:
            fresh = self.requests(seen)
            seen += len(fresh)
            told = missing & {each.id for each in fresh}
            missing -= told
            if told:
                deadline = time.monotonic() + seconds
            elif time.monotonic() > deadline:
                raise AssertionError(f"{len(missing)} events were not told, {min(missing)} among them")
            else:
                time.sleep(PAUSE_SECONDS)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, body, method=method)
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:  # noqa: S310
            content: bytes = answer.read()
            return content

    def _answers(self) -> bool:
        try:
            self.requests()
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Receiver:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


class _Server:
    """The process's side: HTTP read by hand, so that it can be answered by what is no HTTP."""

    def __init__(self, journal: Path | None) -> None:
        self._requests: list[Received] = []
        self._behaviours = {"": Behaviour()}  # by path
        self._journal = None
        if journal is not None:
            lines = journal.read_bytes().splitlines() if journal.exists() else []
            self._requests = [msgspec.json.decode(line, type=Received) for line in lines if line.endswith(b"}")]
            self._journal = journal.open("ab", buffering=0)

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", port, backlog=1024, limit=1 << 20)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {}
        for line in filter(None, head[1:]):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        at = time.time()
        path, _, query = target.partition("?")
        if path == "/-/requests":
            after = int(query.removeprefix("after=") or 0)
            return self._write(writer, "200", msgspec.json.encode(self._requests[after:]))
        if path.startswith("/-/behaviour"):
            self._behaviours[path.removeprefix("/-/behaviour")] = msgspec.json.decode(body, type=Behaviour)
            return self._write(writer, "200", b"{}")
        behaviour = self._behaviours.get(path) or self._behaviours[""]
        if behaviour.only is not None and behaviour.only.encode() not in body:
            behaviour = Behaviour()
        number = len(self._requests) + 1
        answer = behaviour.at(number)
        if behaviour.signature_secret is not None:
            from legato.webhooks import check_bearer  # brings the whole sender along: most receivers start without

            checks = check_bearer(headers, body, behaviour.signature_secret)
            answer = answer if all(each.passed for each in checks) else "401"
        if len(self._requests) < MAX_REQUESTS:
            received = Received(number, method, path, query, headers, body, answer, at)
            self._requests.append(received)
            if self._journal is not None:
                self._journal.write(msgspec.json.encode(received) + b"\n")
        return await self._answer(writer, answer, behaviour)

    async def _answer(self, writer: asyncio.StreamWriter, answer: str, behaviour: Behaviour) -> bool:
        if answer == "garbage":
            writer.write(b"this is not HTTP\r\n\r\n")
            return False
        if answer == "hangup":
            return False
        if answer == "nothing":
            await asyncio.Event().wait()
        if answer == "slow":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
            for _ in range(10):
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(behaviour.seconds / 10)
            return True
        status = "200" if answer == "ok" else answer
        said = behaviour.said.encode()
        return self._write(writer, status, said, {"retry-after": behaviour.retry_after, "location": behaviour.location})

    def _write(
        self, writer: asyncio.StreamWriter, status: str, body: bytes, fields: dict[str, str | None] | None = None
    ) -> bool:
        more = "".join(f"{name}: {value}\r\n" for name, value in (fields or {}).items() if value is not None)
        head = f"HTTP/1.1 {status} Told\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        writer.write(head.encode() + body)
        return True


if __name__ == "__main__":
    asyncio.run(_Server(Path(sys.argv[2]) if len(sys.argv) > 2 else None).serve(int(sys.argv[1])))
