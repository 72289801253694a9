"""A webhook receiver that costs little: it takes everything, and checks order and repeats as it goes.

``python -m bench.receiver PORT`` serves until it is ended; GET /count answers what it has seen. Run by the bench.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final, cast

import uvloop

OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Tally:
    """What came: events in order, events that came again, and events that came too early."""

    def __init__(self) -> None:
        self.events = 0
        self.repeats = 0
        self.disorder = 0
        self._last: dict[str, int] = {}

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
            self._answer(head)
            self._buffer = self._buffer[end + 4 + length :]

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"get /count"):
            seen: dict[str, Any] = {name: getattr(self._tally, name) for name in ("events", "repeats", "disorder")}
            content = json.dumps(seen).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content))
            return
        at = head.index(b"\r\nwebhook-id:")
        self._tally.add(head[at + 13 :].split(b"\r\n", 1)[0].strip().decode())
        self._transport.write(OK)


async def serve(port: int) -> None:
    """Until the process is ended."""
    tally = Tally()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(tally), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
