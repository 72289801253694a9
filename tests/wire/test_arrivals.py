"""Requests that do not arrive: silence, crumbs, heads without end; and answers that nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from legato.arrivals import Arrivals
from legato.testing.waiting import PATIENCE_SECONDS


class Hasty(Arrivals):
    """One that waits for less than a test does."""

    patience = 0.3


class Narrow(Arrivals):
    """One that takes small heads only, and waits for longer than a test does."""

    patience = 600.0
    max_head = 4096


class Patient(Arrivals):
    """One that waits a little longer for the reader of an answer."""

    patience = 1.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test runner's."""
        yield


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body; ``GET /1000`` with as many bytes."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    answer = str(size).encode() if scope["method"] == "POST" else bytes(int(scope["path"][1:]))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


@dataclass
class Peer:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: uvicorn.Server

    async def is_let_go(self) -> None:
        """Returns when the server has no connection any more; nothing is read meanwhile."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.server.server_state.connections:
                await asyncio.sleep(0.001)

    async def rest(self) -> bytes:
        """Everything that comes until the connection ends."""
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.reader.read()
        return b""

    async def answer(self) -> bytes:
        """The next answer, of up to nine bytes of body."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            return await self.reader.readexactly(length)


@pytest.fixture
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    """Connected to a server that has little patience, or whatever a test asks for."""
    kind = getattr(request, "param", Hasty)
    config = uvicorn.Config(application, port=0, http=kind, ws="none", lifespan="off", log_level="error")
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
    listener = server.servers[0].sockets[0]
    client = socket.socket()
    # The kernel takes little of an answer, so that little is enough to wait for its reader.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(listener.getsockname())
    reader, writer = await asyncio.open_connection(sock=client, limit=1024)
    yield Peer(reader, writer, server)
    writer.close()
    server.should_exit = True
    await serving


HEAD = b"POST / HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    "said",
    [b"", b"POST / HT", HEAD, HEAD + b"x: ", HEAD + b"content-length: 2\r\n\r\n1", b"\r\n\r\n"],
    ids=["nothing", "part of a line", "part of a head", "part of a field", "part of a body", "empty lines"],
)
async def test_a_connection_whose_request_does_not_come_is_closed(peer: Peer, said: bytes) -> None:
    peer.writer.write(said)
    assert await peer.rest() == b""


async def test_a_second_request_that_does_not_come_is_not_waited_for_either(peer: Peer) -> None:
    whole = HEAD + b"content-length: 2\r\n\r\n12"
    peer.writer.write(whole + HEAD)
    assert await peer.answer() == b"2"
    assert await peer.rest() == b""


@pytest.mark.parametrize("peer", [Narrow], indirect=True)
async def test_requests_behind_one_another_are_all_answered(peer: Peer) -> None:
    peer.writer.write((HEAD + b"content-length: 2\r\n\r\n12") * 3)
    assert [await peer.answer() for _ in range(3)] == [b"2"] * 3


@pytest.mark.parametrize("peer", [Narrow], indirect=True)
@pytest.mark.parametrize("field", [b"x-%d: y\r\n", b"x%d" + b"y" * 100])
async def test_a_head_without_end_is_refused(peer: Peer, field: bytes) -> None:
    peer.writer.write(HEAD)
    with contextlib.suppress(ConnectionError):
        for number in range(10_000):
            peer.writer.write(field % number)
            await peer.writer.drain()
    answer = await peer.rest()
    assert not answer or answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("peer", [Narrow], indirect=True)
async def test_trailers_without_end_are_refused(peer: Peer) -> None:
    peer.writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    with contextlib.suppress(ConnectionError):
        for number in range(10_000):
            peer.writer.write(b"x-%d: y\r\n" % number)
            await peer.writer.drain()
    assert b" 200 " not in await peer.rest()


@pytest.mark.parametrize("peer", [Narrow], indirect=True)
async def test_a_body_in_pieces_is_put_together(peer: Peer) -> None:
    peer.writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(100):
        peer.writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await peer.writer.drain()
    peer.writer.write(b"0\r\n\r\n")
    assert await peer.answer() == b"102400"


async def test_a_large_answer_that_nobody_reads_is_let_go_of(peer: Peer) -> None:
    peer.writer.write(b"GET /5000000 HTTP/1.1\r\nhost: x\r\n\r\n")
    await peer.reader.readline()
    await peer.is_let_go()
    assert len(await peer.rest()) < 5_000_000


async def test_a_small_answer_that_nobody_reads_is_let_go_of_when_its_connection_ends(peer: Peer) -> None:
    peer.writer.write(b"GET /60000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    await peer.reader.readline()
    await peer.is_let_go()
    assert len(await peer.rest()) < 60_000


@pytest.mark.parametrize("peer", [Patient], indirect=True)
async def test_an_answer_that_is_read_slowly_comes_whole(peer: Peer) -> None:
    peer.writer.write(b"GET /1000000 HTTP/1.1\r\nhost: x\r\n\r\n")
    await peer.reader.readuntil(b"\r\n\r\n")
    for _ in range(20):
        await asyncio.sleep(0.1)  # it takes longer than the server is patient with a reader who has stopped
        await peer.reader.readexactly(50_000)
