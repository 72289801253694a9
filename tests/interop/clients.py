"""The official client SDKs as a test holds them: in a Node process or in a page of Chromium, driven by name.

Both hosts run the same drivers (``drivers/nexmo.js``, ``drivers/chat.js``); whatever the SDK emits, and every
websocket frame under it, arrives here in order.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from legato.testing.waiting import PATIENCE_SECONDS as PATIENCE

T = TypeVar("T")

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
MAX_LINE = 16 * 1024 * 1024  # a driver's answer on one line: a whole history


class SdkError(Exception):
    """The SDK rejected a call; ``detail`` is the error it rejected with."""

    def __init__(self, detail: dict[str, Any]) -> None:
        super().__init__(json.dumps(detail)[:2000])
        self.detail = detail

    @property
    def type(self) -> str | None:
        """nexmo-client's error type; the other SDK's family of errors."""
        return self.detail.get("type")

    @property
    def code(self) -> str | None:
        """@vonage/client-sdk's error code."""
        return self.detail.get("code")


@dataclass(frozen=True, slots=True)
class Told:
    """Something the SDK emitted: ``source`` is the emitter (client, application, conversation)."""

    source: str
    name: str
    detail: dict[str, Any]

    @property
    def args(self) -> list[Any]:
        """The listener's arguments."""
        return self.detail["args"]

    @property
    def cid(self) -> str | None:
        """The conversation that emitted it."""
        return self.detail.get("cid")


@dataclass(frozen=True, slots=True)
class Packet:
    """A Socket.IO event packet that the server sent."""

    type: str
    payload: dict[str, Any]
    offset: str | None


@dataclass(slots=True)
class Record:
    """Everything a client told, in order."""

    told: list[Told] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)
    raw: list[tuple[bool, str]] = field(default_factory=list)  # (sent, frame)
    lost: list[str] = field(default_factory=list)  # frames that a deaf client's SDK did not get
    crashes: list[str] = field(default_factory=list)
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)

    def add(self, line: dict[str, Any]) -> None:
        """File one line of a driver."""
        if "frame" in line:
            self._frame(line["frame"], bool(line["sent"]))
        elif "lost" in line:
            self.lost.append(line["lost"])
        elif "crash" in line:
            self.crashes.append(line["crash"])
        elif "from" in line:
            self.told.append(Told(line["from"], line["name"], line["detail"]))
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def _frame(self, frame: str, sent: bool) -> None:
        self.raw.append((sent, frame))
        # socket.io-protocol 5: <engine.io message 4><event 2>[ack id]<JSON array>
        if not sent and frame.startswith("42"):
            arguments = json.loads(frame[2:].lstrip("0123456789"))
            payload = arguments[1] if len(arguments) > 1 else None
            self.packets.append(Packet(arguments[0], payload, arguments[2] if len(arguments) > 2 else None))

    async def until(self, look: Callable[[], T | bool | None], what: str, seconds: float = PATIENCE) -> T:
        """What ``look`` finds once it finds something; looked for again whenever the client tells something."""
        async with asyncio.timeout(seconds) as limit:
            try:
                while True:
                    found = look()
                    if found:
                        return found  # type: ignore[return-value] # not None and not False
                    waiting = asyncio.get_running_loop().create_future()
                    self._waiting.add(waiting)
                    try:
                        await waiting
                    finally:
                        self._waiting.discard(waiting)
            except asyncio.CancelledError:
                if limit.expired():
                    raise AssertionError(f"not seen within {seconds:g} s: {what}\n{self.tail()}") from None
                raise

    def tail(self) -> str:
        """The last things that happened, for a failing test's report."""
        told = [f"  {t.source} {t.name} {json.dumps(t.detail)[:300]}" for t in self.told[-8:]]
        frames = [f"  {'>' if sent else '<'} {frame[:400]}" for sent, frame in self.raw[-12:]]
        return "\n".join(["told:", *told, "frames:", *frames, "crashes:", *self.crashes])


class Host(Protocol):
    """Where an SDK runs."""

    record: Record

    async def run(self, command: str, args: dict[str, Any]) -> Any:
        """Run one of the driver's commands. Raises SdkError."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


class NodeProcess:
    """An SDK in a Node process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.record = Record()
        self._process = process
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._ready = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, driver: str) -> NodeProcess:
        """``driver`` is nexmo or chat."""
        process = await asyncio.create_subprocess_exec(
            "node",
            HERE / "drivers" / "node.mjs",
            driver,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE,
        )
        host = cls(process)
        async with asyncio.timeout(PATIENCE):
            await host._ready
        return host

    async def run(self, command: str, args: dict[str, Any]) -> Any:
        number = len(self._asked) + 1
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "command": command, "args": args}).encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(PATIENCE):
            return await answer

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                self.record.crashes.append(f"not a line of the driver: {text!r}")
                continue
            if "id" in line:
                answer = self._asked[line["id"]]
                if answer.done():
                    continue
                if "error" in line:
                    answer.set_exception(SdkError(line["error"]))
                else:
                    answer.set_result(line["result"])
            elif "ready" in line:
                self._ready.set_result(None)
            else:
                self.record.add(line)
        for answer in (self._ready, *self._asked.values()):
            if not answer.done():
                answer.set_exception(SdkError({"message": "the driver ended", "crashes": self.record.crashes}))
                answer.exception()  # looked at here; whoever still waits gets it too


class Sdk:
    """What the two SDKs have in common for a test."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.record = host.record
        self.name = name
        self.session = ""

    async def client(self, method: str, *args: Any) -> Any:
        """Call a method of the client object."""
        return await self.host.run("client", {"method": method, "args": args})

    def heard(self, *types: str, cid: str | None = None) -> list[Packet]:
        """The event packets that came, of these types (all without any) and of this conversation."""
        return [
            packet
            for packet in self.record.packets
            if (not types or packet.type in types) and (cid is None or packet.payload.get("cid") == cid)
        ]

    async def hears(
        self, type_: str, where: Callable[[dict[str, Any]], bool] = lambda _: True, cid: str | None = None
    ) -> dict[str, Any]:
        """The payload of the first packet of a type for which ``where`` holds, once it has come."""
        found = await self.record.until(
            lambda: next((p for p in self.heard(type_, cid=cid) if where(p.payload)), None),
            f"{self.name} hears {type_}",
        )
        return found.payload

    def tells(self, name: str, source: str | None = None, cid: str | None = None) -> list[Told]:
        """What the SDK emitted under a name."""
        return [
            told
            for told in self.record.told
            if told.name == name and (source is None or told.source == source) and (cid is None or told.cid == cid)
        ]

    async def emits(
        self,
        name: str,
        where: Callable[[Told], bool] = lambda _: True,
        *,
        source: str | None = None,
        cid: str | None = None,
        seconds: float = PATIENCE,
    ) -> Told:
        """The first thing the SDK emits under a name for which ``where`` holds, once it has."""
        return await self.record.until(
            lambda: next((told for told in self.tells(name, source, cid) if where(told)), None),
            f"{self.name} emits {name}",
            seconds,
        )

    async def close(self) -> None:
        """End the SDK's process or page. Fails when something in it went unhandled."""
        await self.host.close()


class Nexmo(Sdk):
    """``nexmo-client`` 9.5.1."""

    driver = "nexmo"

    @staticmethod
    def config(url: str, **more: Any) -> dict[str, Any]:
        """The three URLs that an app changes, and nothing else but a quicker reconnect."""
        return {
            "url": url,
            "nexmo_api_url": url,
            "ips_url": f"{url}/v1/image",
            "rtcstats": {"remote_collection": False},
            "socket_io": {"reconnectionDelay": 200, "reconnectionDelayMax": 400, "reconnectionAttempts": 50},
            **more,
        }

    async def login(self, url: str, token: str, **config: Any) -> Nexmo:
        """Log in."""
        answer = await self.host.run("login", {"config": self.config(url, **config), "token": token})
        self.session = answer["session"]
        return self

    async def fail_to_login(self, url: str, token: str) -> dict[str, Any]:
        """The error of a login that must fail."""
        return await self.host.run("failToLogin", {"config": self.config(url), "token": token})

    async def application(self, method: str, *args: Any) -> Any:
        """Call a method of the Application."""
        return await self.host.run("application", {"method": method, "args": args})

    async def conversation(self, cid: str, method: str, *args: Any) -> Any:
        """Call a method of a Conversation that the client knows."""
        return await self.host.run("conversation", {"cid": cid, "method": method, "args": args})

    async def event(self, cid: str, id_: int, method: str, *args: Any) -> Any:
        """Call a method of an event that the client holds."""
        return await self.host.run("event", {"cid": cid, "id": id_, "method": method, "args": args})

    async def open(self, cid: str) -> Any:
        """Fetch a conversation, as an app does before it shows one."""
        return await self.application("getConversation", cid)

    async def state(self, cid: str) -> dict[str, Any]:
        """What the client holds of a conversation."""
        return await self.host.run("state", {"cid": cid})

    async def send_image(self, cid: str, picture: bytes, **more: Any) -> Any:
        """Upload a picture and send it."""
        return await self.host.run("sendImage", {"cid": cid, **_file(picture), **more})

    async def upload_image(self, cid: str, picture: bytes, **more: Any) -> Any:
        """Upload a picture."""
        return await self.host.run("uploadImage", {"cid": cid, **_file(picture), **more})


class Chat(Sdk):
    """``@vonage/client-sdk`` 2.3.1."""

    driver = "chat"

    @staticmethod
    def config(url: str) -> dict[str, Any]:
        """The two URLs that an app changes."""
        return {"apiUrl": url, "websocketUrl": url}

    async def login(self, url: str, token: str, session: str | None = None) -> Chat:
        """Log in; with ``session``, resume that one."""
        answer = await self.host.run("login", {"config": self.config(url), "token": token, "session": session})
        self.session = answer["session"]
        return self

    async def fail_to_login(self, url: str, token: str) -> dict[str, Any]:
        """The error of a login that must fail."""
        return await self.host.run("failToLogin", {"config": self.config(url), "token": token})

    def events(self, kind: str | None = None, cid: str | None = None) -> list[dict[str, Any]]:
        """The conversation events that were called back, of a kind (``message:text``, ``member:joined`` …)."""
        return [
            told.args[0]
            for told in self.tells("conversationEvent")
            if (kind is None or told.args[0]["kind"] == kind) and (cid is None or told.args[0]["conversationId"] == cid)
        ]

    async def gets(
        self, kind: str, where: Callable[[dict[str, Any]], bool] = lambda _: True, cid: str | None = None
    ) -> dict[str, Any]:
        """The first conversation event of a kind for which ``where`` holds, once it has been called back."""
        return await self.record.until(
            lambda: next((event for event in self.events(kind, cid) if where(event)), None),
            f"{self.name} gets {kind}",
        )


def _file(picture: bytes) -> dict[str, str]:
    return {"bytes": base64.b64encode(picture).decode(), "name": "picture.png", "type": "image/png"}
