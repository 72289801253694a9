"""A client session that keeps everything it heard, to the byte: Socket.IO over a websocket, as both SDKs speak it.

It promises nothing an SDK does not: no retries, no ordering, no de-duplication of its own. That is its use: what
``events`` holds is what the server sent. But each event is held against the catalogue, and one that breaks its type's
promise fails the test, whatever that test was about.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from legato.events.export import Sink, validate_event
from legato.testing.waiting import PATIENCE_SECONDS, ConditionError

T = TypeVar("T")

MAX_FRAME = 4 * 1024 * 1024  # bytes; far more than any event


class InvalidEventError(AssertionError):
    """The server sent an event that is not what its type promises at a socket."""


class Heard(msgspec.Struct, frozen=True):
    """An event packet: its type, its payload, the offset that ended it (stored events only), and its frame."""

    type: str
    payload: dict[str, Any]
    offset: str | None
    frame: str

    @property
    def id(self) -> int | None:
        """The event's number in its conversation."""
        return self.payload.get("id")

    @property
    def cid(self) -> str | None:
        """The conversation."""
        return self.payload.get("cid")


# The first handshake of each SDK; every later one carries the token and the session's id only.
_FIRST = {
    "classic": {"SDK_version": "9.5.1", "session_version": "0.0.1", "acknowledge_events": "true", "OS_family": "js"},
    "chat": {
        "SDK_name": "@vonage/client-sdk",
        "SDK_version": "2.3.1",
        "session_version": "0.0.3",
        "acknowledge_events": "true",
        "OS_family": "js",
    },
}


class Session:
    """A session. ``events`` holds every event packet since the first login, over all connections.

    ``faults`` says of each that broke its type's promise what is wrong; whoever waits for something then, or closes the
    session, gets InvalidEventError.
    """

    def __init__(self, url: str, token: str, *, dialect: str = "classic", trust: ssl.SSLContext | None = None) -> None:
        self.url = url
        self.token = token
        self.dialect = dialect
        self.id: str | None = None
        self.user_id: str | None = None
        self.events: list[Heard] = []
        self.faults: list[str] = []
        self.disconnected = False  # by a Socket.IO DISCONNECT packet
        self._trust = trust
        self._pid: str | None = None
        self._offset: str | None = None
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()

    @property
    def closed_with(self) -> int | None:
        """The code with which the last transport was closed (RFC 6455 7.4.1); None without one, or while it is up."""
        return None if self._socket is None else self._socket.close_code

    @property
    def connected(self) -> bool:
        """Whether a transport is up."""
        return self._reader is not None and not self._reader.done()

    async def login(self) -> Session:
        """Connect, or connect again with the session's id and the offset it had reached, and log in.

        Raises ConditionError when the first event is not ``session:success``, or none comes.
        """
        first = self.id is None
        query = {"EIO": "4", "transport": "websocket", "token": self.token}
        query |= _FIRST[self.dialect] if first else {"session_id": str(self.id)}
        before = len(self.events)
        self.disconnected = False
        address = f"{self.url.replace('http', 'ws', 1)}/v2/rtc/?{urlencode(query)}"
        self._socket = await connect(address, max_size=MAX_FRAME, ssl=self._trust, ping_interval=None, compression=None)
        self._reader = asyncio.create_task(self._read(self._socket))
        answer = await self.until(
            lambda: next((heard for heard in self.events[before:] if heard.type.startswith(_ANSWERS)), None),
            "an answer to the login",
        )
        if answer.type != "session:success":
            raise ConditionError(f"refused: {answer.frame}")
        self.id = answer.payload["body"]["id"]
        self.user_id = answer.payload["body"]["user_id"]
        return self

    async def drop(self) -> None:
        """Lose the network: the transport goes without a word of Socket.IO."""
        if self._socket is not None and self._reader is not None:
            self._socket.transport.abort()
            await self._reader

    async def close(self) -> None:
        """End the connection."""
        if self._socket is not None and self._reader is not None:
            await self._socket.close()
            await self._reader
        self.check()

    def check(self) -> None:
        """Raises InvalidEventError when an event has broken its type's promise."""
        if self.faults:
            raise InvalidEventError("\n".join(self.faults))

    async def send(self, frame: str) -> None:
        """Send a frame as it is."""
        if self._socket is None:
            raise ConditionError("not connected")
        await self._socket.send(frame)

    def heard(self, *types: str, cid: str | None = None) -> list[Heard]:
        """What came, of these types (all without any) and of this conversation."""
        return [h for h in self.events if (not types or h.type in types) and (cid is None or h.cid == cid)]

    def stored(self, cid: str) -> list[int]:
        """The ids of the conversation's stored events in the order in which they came, repeats included."""
        return [heard.id for heard in self.events if heard.cid == cid and heard.id is not None]

    async def hears(self, type_: str, where: Callable[[Heard], bool] = lambda _: True) -> Heard:
        """The first event of a type for which ``where`` holds, once it has come. Raises ConditionError."""
        return await self.until(lambda: next((h for h in self.heard(type_) if where(h)), None), f"hears {type_}")

    async def until(self, look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
        """What ``look`` finds once that is true; looked for after each frame. Raises ConditionError."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                while True:
                    self.check()
                    if found := look():
                        return found
                    await self._changed.wait()
        except TimeoutError:
            last = "\n".join(heard.frame[:300] for heard in self.events[-5:])
            raise ConditionError(f"after {seconds:g} s still not true: {what}; last heard:\n{last}") from None

    async def gone(self) -> None:
        """Returns when the transport is down. Raises ConditionError when it stays."""
        await self.until(lambda: not self.connected or self._closing, "the transport ends")

    _closing = False

    async def _read(self, socket: ClientConnection) -> None:
        self._closing = False
        try:
            async for frame in socket:
                if isinstance(frame, str):
                    await self._take(socket, frame)
        except ConnectionClosed:
            pass  # what a cut looks like from here
        finally:
            self._closing = True
            async with self._changed:
                self._changed.notify_all()

    async def _take(self, socket: ClientConnection, frame: str) -> None:
        # engine.io-protocol 4: 0 open, 2 ping; socket.io-protocol 5 inside a message (4): 0 CONNECT, 1 DISCONNECT,
        # 2 EVENT [ack id]
        if frame.startswith("0"):
            # socket.io-client sends the pid from the second connection on, and the offset once it has one.
            known = {"offset": self._offset} if self._offset else {}
            recovery = {"pid": self._pid} | known if self._pid else None
            await socket.send("40" + (msgspec.json.encode(recovery).decode() if recovery else ""))
        elif frame == "2":
            await socket.send("3")
        elif frame.startswith("40"):
            self._pid = msgspec.json.decode(frame[2:])["pid"] if "pid" in frame else None
        elif frame.startswith("41"):
            self.disconnected = True
        elif frame.startswith("42"):
            body = frame[2:]
            rest = body.lstrip("0123456789")
            arguments = msgspec.json.decode(rest)
            if (fault := fault_in(rest)) is not None:
                self.faults.append(fault)
            if len(rest) < len(body):
                await socket.send(f"43{body[: len(body) - len(rest)]}[]")
            offset: str | None = arguments[2] if len(arguments) > 2 else None
            self._offset = offset or self._offset
            self.events.append(Heard(arguments[0], arguments[1], offset, frame))
        async with self._changed:
            self._changed.notify_all()


_ANSWERS = ("session:", "system:error:", "user:error:")  # about the connection; no event of the catalogue begins so


@lru_cache(maxsize=1024)  # every session of a conversation is sent the same
def fault_in(arguments: str) -> str | None:
    """What is wrong with an event packet, given the JSON array of its arguments; None when nothing is."""
    name, payload, *_ = msgspec.json.decode(arguments)
    if name.startswith(_ANSWERS):
        return None
    try:
        validate_event({**payload, "type": name}, Sink.SOCKET)
    except ValueError as error:
        return f"{error}\n  {arguments}"
    return None
