"""Answers that go on for as long as somebody reads them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from legato.api.body import Receive
from legato.api.contract import Stream

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)

# How long what was sent may lie unread before the answer is cut: it would hold a connection for ever.
UNREAD_SECONDS: Final = 20.0


async def send_live(head: MutableMapping[str, Any], chunks: Stream, receive: Receive, send: Send) -> None:
    """The answer that begins with ``head``: until it ends, or its reader has gone or stopped reading; then closed."""
    telling = asyncio.create_task(_tell(head, chunks, send), name="live answer")
    leaving = asyncio.create_task(_until_gone(receive), name="reader of a live answer")
    try:
        await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (telling, leaving):
            task.cancel()
        await asyncio.gather(telling, leaving, return_exceptions=True)
        await chunks.aclose()
    if not telling.cancelled():
        telling.result()


async def _tell(head: MutableMapping[str, Any], chunks: Stream, send: Send) -> None:
    await send(head)
    async for chunk in chunks:
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError:
            log.info("a live answer was cut: its reader had stopped reading")
            return
    await send({"type": "http.response.body", "body": b""})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
