"""The API behind uvicorn, over real sockets: bodies in pieces, connections that go on, clients that go away."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import uvicorn

from legato.api import body
from tests.wire.rest.stage import Stage


@dataclass
class Wire:
    """A server and short words for what a client writes to it."""

    stage: Stage
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of one's own."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    def head(self, method: str, path: str, *fields: str) -> bytes:
        """A request's head, with the application's token."""
        lines = [f"{method} {path} HTTP/1.1", "host: x", f"authorization: Bearer {self.stage.token()}", *fields]
        return "\r\n".join([*lines, "", ""]).encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
    return int(head.split()[1]), await reader.readexactly(length)


@pytest.fixture
async def wire(api: Stage) -> AsyncIterator[Wire]:
    """The API on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(api.api, lifespan="off", log_config=None, access_log=False, http="httptools", ws="none")
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield Wire(api, listener.getsockname()[1])
    server.should_exit = True
    await serving


async def test_a_body_in_pieces_is_read_whole(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(wire.head("POST", "/v1/conversations", "transfer-encoding: chunked"))
    for piece in (b'{"na', b'me": "ro', b'om"}'):
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    status, content = await answer(reader)
    assert status == 201
    assert b'"name":"room"' in content
    writer.close()


async def test_a_body_that_never_ends_is_refused_at_its_bound(wire: Wire) -> None:
    reader, writer = await wire.connect()
    writer.write(wire.head("POST", "/v1/conversations", "transfer-encoding: chunked"))
    piece = b"%x\r\n%b\r\n" % (65_536, b"x" * 65_536)
    for _ in range(5):
        writer.write(piece)
    status, content = await answer(reader)
    assert status == 413
    assert b"http:error:payload-too-large" in content
    writer.close()


async def test_a_connection_goes_on_after_a_body_that_nobody_read(wire: Wire) -> None:
    reader, writer = await wire.connect()
    for content in (b'""', b"x" * 10_000):
        writer.write(wire.head("PUT", "/v0.2/sessions/SES-0", f"content-length: {len(content)}") + content)
        assert (await answer(reader))[0] == 404
    writer.write(wire.head("GET", "/v1/conversations"))
    assert (await answer(reader))[0] == 200
    writer.close()


async def test_a_connection_goes_on_after_nothing_and_after_a_refusal(wire: Wire) -> None:
    cid = await wire.stage.conversation("room")
    reader, writer = await wire.connect()
    for method, path, status in (
        ("DELETE", f"/v1/conversations/{cid}", 204),
        ("OPTIONS", "/v1/conversations", 204),
        ("GET", f"/v1/conversations/{cid}", 404),
        ("DELETE", "/v1/conversations", 405),
        ("GET", "/v1/users/%C3%A9%2F", 404),
        ("GET", "/v1/conversations?order=desc", 200),
    ):
        writer.write(wire.head(method, path))
        assert (await answer(reader))[0] == status
    writer.close()


async def test_who_goes_away_in_the_middle_of_a_body_makes_nothing(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await wire.connect()
    writer.write(wire.head("POST", "/v1/conversations", "content-length: 100") + b'{"name": "room"}')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    reader, writer = await wire.connect()
    writer.write(wire.head("GET", "/beta/conversations"))
    assert b'"count":0' in (await answer(reader))[1]
    writer.close()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_that_stops_coming_is_not_waited_for(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "IDLE_SECONDS", 0.01)
    for begun in (b"", b'{"name"'):
        reader, writer = await wire.connect()
        writer.write(wire.head("POST", "/v1/conversations", "content-length: 100") + begun)
        status, content = await answer(reader)
        assert status == 408
        assert b"http:error:request-timeout" in content
        assert await reader.read() == b""  # the connection is closed
        writer.close()


async def test_whose_user_is_deleted_while_its_body_comes_is_refused(wire: Wire) -> None:
    stage = wire.stage
    await stage.user("alice")
    cid = await stage.conversation("room")
    content = b'{"state": "joined", "user": {"name": "alice"}, "channel": {"type": "app"}}'
    reader, writer = await wire.connect()
    fields = (
        f"authorization: Bearer {stage.token('alice')}",
        "expect: 100-continue",
        f"content-length: {len(content)}",
    )
    writer.write("\r\n".join([f"POST /v1/conversations/{cid}/members HTTP/1.1", "host: x", *fields, "", ""]).encode())
    assert b" 100 " in await reader.readuntil(b"\r\n\r\n")  # the token was good, and the body is waited for
    await stage.must("DELETE", "/v1/users/alice")
    writer.write(content)
    status, refusal = await answer(reader)
    assert status == 401
    assert b"user:error:not-found" in refusal
    writer.close()
    page = await stage.must("GET", f"/v1/conversations/{cid}/members")
    assert page["_embedded"]["members"] == []


async def test_whose_token_expires_while_its_body_comes_is_refused(wire: Wire) -> None:
    stage = wire.stage
    reader, writer = await wire.connect()
    writer.write(wire.head("POST", "/v1/conversations", "expect: 100-continue", "content-length: 2"))
    assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
    stage.clock.seconds += 3_600
    writer.write(b"{}")
    status, refusal = await answer(reader)
    assert status == 401
    assert b"system:error:expired-token" in refusal
    writer.close()
