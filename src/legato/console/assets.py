"""The page's files, read once at start: a few hundred kilobytes at most, each with its type and its ETag."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEDIA_TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
# The client's source of truth is clients/js; the wheel carries a copy beside this file.
_CLIENT = next(place for place in (_HERE / "client", _HERE.parents[2] / "clients/js/src") if place.is_dir())


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent. ``etag`` is strong: a hash of the content (RFC 9110 8.8.3)."""

    content: bytes
    media_type: bytes
    etag: bytes


def load_assets() -> dict[str, Asset]:
    """Every file by the path it is served under: ``/`` is the page, all the rest lies below ``/console/``."""
    found = {f"/console/{name}": asset for name, asset in _folder(_STATIC).items()}
    found["/"] = found.pop("/console/index.html")
    found |= {f"/console/client/{name}": asset for name, asset in _folder(_CLIENT).items()}
    return found


def _folder(folder: Path) -> dict[str, Asset]:
    assets = {}
    for path in sorted(folder.iterdir()):
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is not None:
            content = path.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'.encode()
            assets[path.name] = Asset(content, media_type, etag)
    return assets
