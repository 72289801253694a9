"""The body of a request, read from ASGI and never more of it than the bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from legato.api.errors import PayloadTooLarge, RequestTimeout

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# A client that has sent nothing for so long, in the middle of a body, is not coming back; phones pause for seconds.
IDLE_SECONDS = 30.0


class ClientGone(Exception):  # noqa: N818 - not an error: named for what happened
    """The connection closed before the body was whole: there is nobody to answer."""


def declared_length(headers: Mapping[bytes, bytes], bound: int) -> None:
    """Refuses a body whose declared length is over ``bound``, before a byte of it is read."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > bound:
        raise PayloadTooLarge(bound)


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], bound: int) -> bytes:
    """The whole body.

    Raises PayloadTooLarge over ``bound`` bytes, RequestTimeout when nothing comes for IDLE_SECONDS, and ClientGone when
    the connection closed.
    """
    declared_length(headers, bound)
    message = await _next(receive)
    first: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(first) > bound:
            raise PayloadTooLarge(bound)
        return first
    parts = bytearray(first)
    async for part in _rest(receive, len(first), bound):
        parts += part
    return bytes(parts)


async def read_chunks(receive: Receive, headers: Mapping[bytes, bytes], bound: int) -> AsyncIterator[bytes]:
    """The body as it comes, with the same bound and errors."""
    declared_length(headers, bound)
    async for part in _rest(receive, 0, bound):
        yield part


async def _rest(receive: Receive, size: int, bound: int) -> AsyncIterator[bytes]:
    while True:
        message = await _next(receive)
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > bound:
            raise PayloadTooLarge(bound)
        if part:
            yield part
        if not message.get("more_body"):
            return


async def _next(receive: Receive) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            message = await receive()
    except TimeoutError as error:
        raise RequestTimeout(IDLE_SECONDS) from error
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message
