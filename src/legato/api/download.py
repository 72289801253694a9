"""Sending a file: which part of it, under which headers, chunk by chunk."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import BinaryIO, Final
from urllib.parse import quote

from legato.api.contract import Reply
from legato.events.refusal import Refusal
from legato.store.files import CHUNK

# Types that a browser shows without running anything. Everything else is sent as bytes to be saved, whatever the
# uploader called it: a page or an SVG from our origin could act as our origin.
SHOWN: Final = frozenset(
    {
        "application/json",
        "application/pdf",
        "audio/aac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "audio/webm",
        "audio/x-wav",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/plain",
        "video/mp4",
        "video/ogg",
        "video/webm",
    }
)
BYTES: Final = "application/octet-stream"

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})\Z")


class RangeNotSatisfiable(Refusal):
    """The file ends before the range begins."""

    status = 416

    def __init__(self) -> None:
        super().__init__("http:error:range-not-satisfiable", "The range lies outside the file.")


def range_of(headers: Mapping[bytes, bytes], size: int, etag: str) -> tuple[int, int] | None:
    """First and last byte asked for, or None for the whole file (RFC 9110 14.2).

    Several ranges at once, and what cannot be read, are ignored as the standard allows. Raises RangeNotSatisfiable.
    """
    found = _RANGE.match(headers.get(b"range", b"").decode("latin-1"))
    if found is None or not (found[1] or found[2]):
        return None
    condition = headers.get(b"if-range")
    if condition is not None and condition.decode("latin-1") != f'"{etag}"':
        return None
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
        if not int(found[2]):
            raise RangeNotSatisfiable
    else:
        first, last = int(found[1]), min(int(found[2]), size - 1) if found[2] else size - 1
        if found[2] and int(found[2]) < int(found[1]):
            return None
    if first >= size:
        raise RangeNotSatisfiable
    return first, last


def is_unchanged(headers: Mapping[bytes, bytes], etag: str) -> bool:
    """Whether the caller holds these bytes already (RFC 9110 13.1.2)."""
    held = headers.get(b"if-none-match", b"").decode("latin-1")
    return any(tag.strip().removeprefix("W/") in ("*", f'"{etag}"') for tag in held.split(","))


def file_headers(mime_type: str, file_name: str, etag: str) -> tuple[tuple[bytes, bytes], ...]:
    """What goes with every file: its name, that its type is to be believed, and that nothing in it may run."""
    disposition = "inline" if mime_type in SHOWN else "attachment"
    if file_name:
        plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in file_name)
        # RFC 6266 5: a plain name for old readers beside the true one.
        disposition += f"; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"
    return (
        (b"accept-ranges", b"bytes"),
        (b"etag", f'"{etag}"'.encode()),
        (b"cache-control", b"private, no-cache"),  # kept by the reader, and asked for again: it may have been deleted
        (b"vary", b"Authorization"),
        (b"content-disposition", disposition.encode("latin-1", "replace")),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
        (b"cross-origin-resource-policy", b"cross-origin"),  # the app that shows it stands on another origin
    )


def send_file(
    file: BinaryIO, size: int, part: tuple[int, int] | None, mime_type: str, headers: tuple[tuple[bytes, bytes], ...]
) -> Reply[None]:
    """The answer that streams ``file``, or a part of it, and closes it."""
    first, last = part or (0, size - 1)
    headers += ((b"content-length", str(last - first + 1).encode()),)
    if part is not None:
        headers += ((b"content-range", f"bytes {first}-{last}/{size}".encode()),)
    media_type = mime_type if mime_type in SHOWN else BYTES
    status = 200 if part is None else 206
    return Reply(status, _chunks(file, first, last - first + 1), headers=headers, media_type=media_type.encode())


async def _chunks(file: BinaryIO, first: int, count: int) -> AsyncIterator[bytes]:
    try:
        await asyncio.to_thread(file.seek, first)
        while count > 0:
            chunk = await asyncio.to_thread(file.read, min(CHUNK, count))
            if not chunk:  # cut by somebody else than this server; the length says so to the reader
                return
            count -= len(chunk)
            yield chunk
    finally:
        file.close()
