"""Live answers, without a socket: they end with their stream, or with their reader, and are closed either way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from legato.api import live
from legato.api.live import send_live

HEAD = {"type": "http.response.start", "status": 200, "headers": []}


class Lines:
    """A stream that says one line and then, if it is endless, nothing."""

    def __init__(self, *, endless: bool) -> None:
        self.endless = endless
        self.closed = False
        self.said = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"one"
        self.said.set()
        if self.endless:
            await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


class Reader:
    """The other side: what was sent to it, and when it leaves."""

    def __init__(self, *, reads: bool = True) -> None:
        self.sent: list[Any] = []
        self.left = asyncio.Event()
        self._reads = reads

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if not self._reads and message["type"] == "http.response.body":
            await asyncio.Event().wait()
        self.sent.append(message)


async def test_a_stream_that_ends_ends_the_answer() -> None:
    lines, reader = Lines(endless=False), Reader()
    await send_live(HEAD, lines, reader.receive, reader.send)
    assert reader.sent == [
        HEAD,
        {"type": "http.response.body", "body": b"one", "more_body": True},
        {"type": "http.response.body", "body": b""},
    ]
    assert lines.closed


async def test_a_stream_whose_reader_has_gone_is_closed() -> None:
    lines, reader = Lines(endless=True), Reader()
    answering = asyncio.create_task(send_live(HEAD, lines, reader.receive, reader.send))
    await lines.said.wait()
    assert not lines.closed
    reader.left.set()
    await answering
    assert lines.closed


async def test_a_reader_who_stops_reading_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "UNREAD_SECONDS", 0.001)
    lines, reader = Lines(endless=True), Reader(reads=False)
    await send_live(HEAD, lines, reader.receive, reader.send)
    assert reader.sent == [HEAD]
    assert lines.closed


async def test_a_server_that_stops_in_the_middle_closes_the_stream() -> None:
    lines, reader = Lines(endless=True), Reader()
    answering = asyncio.create_task(send_live(HEAD, lines, reader.receive, reader.send))
    await lines.said.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert lines.closed


async def test_a_stream_that_breaks_is_told_to_the_server() -> None:
    class Broken(Lines):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"one"
            raise ValueError("broken")

    lines, reader = Broken(endless=False), Reader()
    with pytest.raises(ValueError, match="broken"):
        await send_live(HEAD, lines, reader.receive, reader.send)
    assert lines.closed
