"""A picture's three representations: checked, turned upright, cleaned and encoded anew.

A program of its own (``legato.api.image_worker`` starts it), so that a hostile picture meets a process that has a bound
on its memory, may write no file, and can be killed. It imports nothing of the server. Requests and answers are lines of
JSON; the bytes of the representations follow an answer, in its order::

    → {"source": "/…/incoming/…", "kind": "JPEG", "quality": 100, "sizes": {"original": 100, "medium": 50, …}}
    ← {"representations": [{"name": "original", "width": 640, "height": 480, "size": 51234}, …]}<bytes><bytes><bytes>
    ← {"refused": "is not a readable picture"}
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import GifImagePlugin, Image, ImageCms, ImageFile, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

MAX_PIXELS: Final = 50_000_000  # of all frames together: a 50-megapixel phone's picture is 200 MB once decoded
MAX_SIDE: Final = 16_383  # the widest a WebP can be (WebP container specification)
MAX_FRAMES: Final = 300  # 12 s at 25 frames a second
MAX_OUTPUT: Final = 32 * 1024 * 1024  # bytes of one representation; twice what may be uploaded
MAX_MEMORY: Final = 1024**3  # bytes of address space: a picture of MAX_PIXELS, its upright copy, and its encoder
MAX_QUALITY: Final = 95  # above it a JPEG grows and looks the same (Pillow documentation)

# What each kind begins with. A file is what its first bytes say, whatever its name or Content-Type.
_MAGIC: Final = (
    ("JPEG", b"\xff\xd8\xff", 0),  # ISO/IEC 10918-1 B.1.1.3: SOI, and a marker follows
    ("PNG", b"\x89PNG\r\n\x1a\n", 0),  # PNG specification 5.2
    ("GIF", b"GIF87a", 0),
    ("GIF", b"GIF89a", 0),
    ("WEBP", b"WEBP", 8),  # WebP container specification: RIFF, size, WEBP
)
MAGIC_BYTES: Final = 12
MIME_TYPES: Final = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}

# The formats that may be opened at all; importing a plug-in is what registers it.
_PLUGINS: Final = (JpegImagePlugin, PngImagePlugin, GifImagePlugin, WebPImagePlugin)


class UnusablePictureError(ValueError):
    """The picture is not one that is taken; the message continues the field's quoted name."""


@dataclass(frozen=True, slots=True)
class Representation:
    """One encoded picture; ``width`` and ``height`` in pixels."""

    name: str
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Frame:
    picture: Image.Image
    duration: int  # milliseconds it is shown


def kind_of(head: bytes) -> str | None:
    """``JPEG``, ``PNG``, ``GIF`` or ``WEBP`` by the first MAGIC_BYTES of a file, else None."""
    if head[8:12] == b"WEBP" and head[:4] != b"RIFF":
        return None
    return next((kind for kind, magic, at in _MAGIC if head[at : at + len(magic)] == magic), None)


def represent(source: Path, kind: str, quality: int, sizes: dict[str, int]) -> Iterator[Representation]:
    """The picture at each of ``sizes`` (per cent of its sides), largest first so that each is made from the last.

    ``quality`` is 0–100. Orientation is applied and all metadata dropped; colours become sRGB. Where a picture is
    animated, its full size stays so and the smaller ones are its first frame. Raises UnusablePictureError.
    """
    frames, repeats = _decode(source, kind)
    width, height = frames[0].picture.size
    for name, percent in sorted(sizes.items(), key=lambda item: -item[1]):
        size = max(1, round(width * percent / 100)), max(1, round(height * percent / 100))
        if size != frames[0].picture.size:
            still = frames[0].picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
            frames = [_Frame(still, 0)]
        data = _encode(frames, kind, quality, repeats)
        if len(data) > MAX_OUTPUT:
            raise UnusablePictureError(f"is a picture of more than {MAX_OUTPUT} bytes once encoded")
        yield Representation(name, *size, data)


def _decode(source: Path, kind: str) -> tuple[list[_Frame], int | None]:
    """The upright, clean frames, and how often they repeat (0: for ever)."""
    # The bound is checked here on the header alone, before a pixel is decoded; Pillow's own would only warn.
    Image.MAX_IMAGE_PIXELS = None
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(source, formats=[kind]) as opened:
            width, height = opened.size
            if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE) or width * height > MAX_PIXELS:
                raise UnusablePictureError(f"must have at most {MAX_PIXELS} pixels and sides of at most {MAX_SIDE}")
            if kind not in ("GIF", "WEBP"):
                return [_Frame(_clean(opened), 0)], None
            return _animation(opened), opened.info.get("loop")
    except UnusablePictureError:
        raise
    # Pillow's decoders raise nearly anything on a broken file, and MemoryError at this process's bound.
    except Exception as error:
        raise UnusablePictureError("is not a readable picture") from error


def _animation(opened: Image.Image) -> list[_Frame]:
    frames: list[_Frame] = []
    pixels = 0
    while True:
        try:
            opened.seek(len(frames))
        except EOFError:
            return frames
        pixels += opened.width * opened.height
        if pixels > MAX_PIXELS or len(frames) == MAX_FRAMES:
            raise UnusablePictureError(f"must have at most {MAX_FRAMES} frames and {MAX_PIXELS} pixels in all of them")
        opened.load()  # a WebP's frame knows its duration only then
        frames.append(_Frame(_clean(opened), int(opened.info.get("duration", 0))))


def _clean(opened: Image.Image) -> Image.Image:
    """The picture upright, in a mode that every kind can hold, in sRGB, and with nothing but its pixels."""
    picture = ImageOps.exif_transpose(opened)
    profile = picture.info.get("icc_profile")
    alpha = picture.has_transparency_data
    if picture.mode not in ("L", "RGB", "RGBA") or (alpha and picture.mode != "RGBA"):
        if picture.mode == "CMYK" and profile:
            picture, profile = _to_srgb(picture, profile), None
        picture = picture.convert("RGBA" if alpha else "RGB")
    if profile:
        picture = _to_srgb(picture, profile)
    if picture is opened or picture.info is opened.info:
        picture = picture.copy()
    picture.info = {}
    return picture


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Pixels as sRGB, because the profile is dropped; as they are when the profile does not fit them."""
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return picture if converted is None else converted


def _encode(frames: list[_Frame], kind: str, quality: int, repeats: int | None) -> bytes:
    picture = frames[0].picture
    options: dict[str, Any] = {}
    if kind in ("JPEG", "WEBP"):
        options["quality"] = min(MAX_QUALITY, max(1, quality))
    if kind == "JPEG" and picture.mode == "RGBA":
        picture = picture.convert("RGB")
    if len(frames) > 1:
        options |= {
            "save_all": True,
            "append_images": [frame.picture for frame in frames[1:]],
            "duration": [frame.duration for frame in frames],
        }
        if kind == "GIF":
            options["disposal"] = 2  # each frame stands alone, as it was decoded
        if repeats is not None:
            options["loop"] = repeats
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _confine() -> None:
    """This process reads the file it is told to and writes to its pipe: nothing else."""
    os.nice(10)  # messages go before pictures
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    try:
        made = list(represent(Path(request["source"]), request["kind"], request["quality"], request["sizes"]))
    except UnusablePictureError as refused:
        return {"refused": str(refused)}, []
    except (MemoryError, OSError, ValueError):  # encoding failed at this process's bound
        return {"refused": "is too large a picture"}, []
    head = [{"name": r.name, "width": r.width, "height": r.height, "size": len(r.data)} for r in made]
    return {"representations": head}, [r.data for r in made]


def main() -> None:
    """Answers requests until its input ends, which it does when the server is gone."""
    warnings.simplefilter("ignore")
    _confine()
    for line in sys.stdin.buffer:
        head, parts = _answer(json.loads(line))
        sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
