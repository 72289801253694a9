"""Engine.IO by hand: what a client sends and gets, packet by packet."""

from __future__ import annotations

import asyncio
from types import TracebackType
from urllib.parse import urlencode

import aiohttp
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from legato.testing.session import fault_in
from legato.testing.waiting import PATIENCE_SECONDS

PATH = "/v2/rtc/"


def address(url: str, path: str = PATH, **query: str) -> str:
    """The socket's URL with that query."""
    return f"{url}{path}?{urlencode(query)}"


class Raw:
    """A websocket whose packets a test writes and reads itself."""

    def __init__(self, url: str, *, path: str = PATH, **query: str) -> None:
        """``query`` is added to ``EIO=4&transport=websocket`` and may change it."""
        self._address = address(url.replace("http", "ws", 1), path, **{"EIO": "4", "transport": "websocket"} | query)
        self.socket: ClientConnection

    async def __aenter__(self) -> Raw:
        self.socket = await connect(self._address, ping_interval=None, max_size=None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.socket.close()

    async def send(self, *packets: str | bytes) -> None:
        """Sends packets, each in a frame of its own."""
        for packet in packets:
            await self.socket.send(packet)

    async def read(self) -> str:
        """The next packet."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            packet = await self.socket.recv()
        assert isinstance(packet, str)
        return packet

    async def opening(self) -> dict[str, object]:
        """The next packet, which is the greeting."""
        packet = await self.read()
        assert packet[0] == "0"
        return dict(msgspec.json.decode(packet[1:]))

    async def connected(self, data: str = "") -> dict[str, object]:
        """Connects to the default namespace; the answer."""
        await self.opening()
        await self.send("40" + data)
        packet = await self.read()
        assert packet[:2] == "40"
        return dict(msgspec.json.decode(packet[2:]))

    async def event(self) -> tuple[str, dict[str, object]]:
        """The next packet, which is an event: its name and first argument."""
        packet = await self.read()
        assert packet.startswith("42"), packet
        assert not fault_in(packet[2:])
        name, argument, *_ = msgspec.json.decode(packet[2:])
        return name, argument

    async def end(self) -> int | None:
        """Reads until the connection is closed; the close code, None when it ended without a goodbye."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    await self.socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


class Poller:
    """Long polling by hand."""

    def __init__(self, http: aiohttp.ClientSession, url: str, **query: str) -> None:
        self._http = http
        self._url = url
        self._query = {"EIO": "4", "transport": "polling"} | query
        self.sid = ""

    async def get(self, **query: str) -> tuple[int, str]:
        """One GET: status and body."""
        async with self._http.get(address(self._url, **self._asked(query))) as answer:
            return answer.status, await answer.text()

    async def post(self, payload: str | bytes, **query: str) -> tuple[int, str]:
        """One POST: status and body."""
        async with self._http.post(address(self._url, **self._asked(query)), data=payload) as answer:
            return answer.status, await answer.text()

    async def open(self) -> dict[str, object]:
        """The first GET; the greeting."""
        status, body = await self.get()
        assert (status, body[0]) == (200, "0")
        opening = msgspec.json.decode(body[1:])
        self.sid = opening["sid"]
        return dict(opening)

    async def packets(self) -> list[str]:
        """The packets of the next GET."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            status, body = await self.get()
        assert status == 200, body
        return body.split("\x1e")

    def _asked(self, query: dict[str, str]) -> dict[str, str]:
        sid = {"sid": self.sid} if self.sid else {}
        return {name: value for name, value in (self._query | sid | query).items() if value != "-"}
