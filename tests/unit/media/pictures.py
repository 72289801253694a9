"""Pictures, good and bad."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

GPS, MAKER, ORIENTATION = 0x8825, 0x010F, 0x0112
UPSIDE = 3  # Exif 2.3 4.6.4 A: turned by 180 degrees


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def two_halves(width: int = 80, height: int = 40) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    return picture


def photograph() -> bytes:
    """A JPEG turned by 180 degrees, with where and by what it was taken, and a comment."""
    exif = Image.Exif()
    exif[ORIENTATION] = UPSIDE
    exif[MAKER] = "a secret maker"
    exif.get_ifd(GPS)[1] = "N"
    return encoded(two_halves(), "JPEG", exif=exif, comment=b"a secret comment", quality=95)


def animation(kind: str, frames: int = 3, size: tuple[int, int] = (40, 30)) -> bytes:
    """A GIF or WebP; each frame has another colour."""

    def frame(number: int) -> Image.Image:
        colour = (60 * (number % 4), number % 256, number // 256)
        if kind != "GIF":
            return Image.new("RGB", size, colour)
        picture = Image.new("P", size)  # to find a palette for a large picture takes its time
        picture.putpalette(colour)
        return picture

    pictures = [frame(number) for number in range(frames)]
    return encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=[100] * frames, loop=0)


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header promises that many pixels (PNG specification 11.2.2)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def webp_that_claims(width: int, height: int) -> bytes:
    """An animated WebP's header with a canvas of that size and no frame in it (WebP container specification)."""
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas + b"ANIM" + struct.pack("<I", 6) + b"\0" * 6
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks
