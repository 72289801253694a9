"""A webhook receiver that costs little: it takes everything, and checks order and repeats as it goes.

``python -m bench.receiver HOST PORT [SILENT SLOW]`` serves until it is ended. GET /count answers what it has seen; GET
/ages?since=NS how old the texts of the load client were that were due since then (of the monotonic clock). On the port
SILENT nothing is ever answered, on SLOW 500 after SLOW_S. Run by the bench.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, cast

import uvloop

OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
ERROR: Final = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
SLOW_S: Final = 5.0
EVIDENCE: Final = b'"t='  # 19 digits: when the text was due (client/requests.h)


class Tally:
    """What came: events in order, events that came again, and events that came too early."""

    def __init__(self) -> None:
        self.events = 0
        self.repeats = 0
        self.disorder = 0
        self._last: dict[str, int] = {}
        self._due: list[tuple[int, int]] = []  # when it was due and how old it was, in nanoseconds

    def age(self, body: bytes) -> None:
        """Notes how old a text is, if this is one."""
        at = body.find(EVIDENCE)
        if at >= 0:
            due = int(body[at + 3 : at + 22])
            self._due.append((due, time.monotonic_ns() - due))

    def ages(self, since: int) -> dict[str, float]:
        """How many texts were due since then, and how old they were, in milliseconds."""
        ages = sorted(age / 1e6 for due, age in self._due if due >= since)
        if not ages:
            return {"count": 0}
        at = {name: ages[min(len(ages) - 1, int(len(ages) * share))] for name, share in (("p50", 0.5), ("p99", 0.99))}
        return {"count": len(ages), **at, "max": ages[-1]}

    def add(self, known_by: str) -> None:
        """An event, by its ``webhook-id``: the stream and the place in it."""
        stream, _, place = known_by.rpartition("_")
        number, last = int(place), self._last.get(stream)
        if last is not None and number <= last:
            self.repeats += 1
            return
        if last is not None and number != last + 1:
            self.disorder += 1
        self._last[stream] = number
        self.events += 1


class Connection(asyncio.Protocol):
    """HTTP/1.1 as the one client there is speaks it: whole requests with a content-length."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The server connects."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes of requests."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._answer(head, self._buffer[end + 4 : end + 4 + length])
            self._buffer = self._buffer[end + 4 + length :]

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get /count"):
            self._tell({name: getattr(self._tally, name) for name in ("events", "repeats", "disorder")})
            return
        if head.startswith(b"get /ages?since="):
            self._tell(self._tally.ages(int(head[16:].split(b" ", 1)[0])))
            return
        self._tally.age(body)
        at = head.index(b"\r\nwebhook-id:")
        self._tally.add(head[at + 13 :].split(b"\r\n", 1)[0].strip().decode())
        self._transport.write(OK)

    def _tell(self, seen: dict[str, Any]) -> None:
        content = json.dumps(seen).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content))


class Bad(asyncio.Protocol):
    """Takes what comes and answers it with 500 after a while, or, without ``seconds``, never."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The server connects."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A request, or a part of one: they come one at a time, head first."""
        if self._seconds is not None and data.startswith(b"POST"):
            asyncio.get_running_loop().call_later(self._seconds, self._refuse)

    def _refuse(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ERROR)


async def serve(host: str, port: int, bad: Sequence[int]) -> None:
    """Until the process is ended."""
    tally, loop = Tally(), asyncio.get_running_loop()
    for at, seconds in zip(bad, (None, SLOW_S), strict=False):
        await loop.create_server(partial(Bad, seconds), host, at, backlog=1024)
    server = await loop.create_server(lambda: Connection(tally), host, port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), [int(each) for each in sys.argv[3:]]))
