"""Blobs on disk: the bytes of media, by UUID.

::

    <root>/incoming/<random>      being written; nothing refers to it yet
    <root>/<first two>/<uuid>     kept: complete, synced, never changed again

A blob is kept first and its row written after, and a row goes first and its blob after, so that a crash leaves at worst
a blob without a row; ``sweep`` removes those. No part of a path ever comes from a caller: the only name a blob has is a
UUID that this server made.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from legato.events.ids import is_uuid
from legato.events.refusal import Refusal

CHUNK: Final = 256 * 1024  # bytes moved per read; one chunk per download is what a slow reader costs in memory
ORPHAN_AGE: Final = 3600.0  # seconds; a younger blob may belong to a row that another node is about to write
_KNOWN_AT_ONCE: Final = 500  # ids asked for in one query while sweeping; SQLite allows 999 variables in old builds


class TooLarge(Refusal):
    """More bytes came than the blob may hold (RFC 9110 15.5.14)."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__("http:error:payload-too-large", f"The file must be at most {limit} bytes.")


class StorageFull(Refusal):
    """There is no room on the disk (RFC 4918 11.5). Nothing of what was asked for is kept."""

    status = 507

    def __init__(self) -> None:
        super().__init__("system:error:storage-full", "The server has no room left on its disk.")


_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


@contextlib.contextmanager
def _refused_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise


class Blob(msgspec.Struct, frozen=True):
    """What was kept: ``size`` in bytes, ``digest`` the SHA-256 of the bytes in hexadecimal."""

    id: str
    size: int
    digest: str


class Incoming:
    """A blob that is being written. Leaving the ``with`` block without ``keep`` throws it away."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.size = 0
        self._limit = limit
        self._digest = hashlib.sha256()
        self._file: BinaryIO = path.open("xb", buffering=0)

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, data: bytes | memoryview) -> None:
        """Appends ``data``. Raises TooLarge, before writing, when the blob would pass its bound; StorageFull."""
        if self.size + len(data) > self._limit:
            raise TooLarge(self._limit)
        view = memoryview(data)
        with _refused_when_full():
            while view:
                view = view[self._file.write(view) :]  # an unbuffered write may be short
        self._digest.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def discard(self) -> None:
        """Forgets the bytes. Does nothing after ``Files.keep``."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _seal(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


class Files:
    """The blobs under one directory, which is made when it is missing. Every method blocks: call it in a thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)

    def create(self, limit: int) -> Incoming:
        """A new blob of at most ``limit`` bytes, open for writing."""
        return Incoming(self._incoming / secrets.token_hex(16), limit)

    def keep(self, incoming: Incoming, blob_id: str) -> Blob:
        """Gives the written bytes their id. On return they are on the disk, under their name. Raises StorageFull."""
        path = self.path(blob_id)
        with _refused_when_full():
            incoming._seal()
            if not path.parent.is_dir():
                path.parent.mkdir(exist_ok=True, mode=0o700)
                _sync_directory(self._root)
            incoming.path.rename(path)
            _sync_directory(path.parent)
        return Blob(blob_id, incoming.size, incoming.digest)

    def path(self, blob_id: str) -> Path:
        """Where a blob is, or would be. ValueError when ``blob_id`` is no UUID."""
        return blob_path(self._root, blob_id)

    def open(self, blob_id: str) -> BinaryIO:
        """The blob for reading. Raises FileNotFoundError. An open blob can be read to its end after its removal."""
        return self.path(blob_id).open("rb")

    def remove(self, blob_ids: Iterable[str]) -> None:
        """Removes blobs; those that are gone already are passed over."""
        for blob_id in blob_ids:
            self.path(blob_id).unlink(missing_ok=True)

    def ids(self) -> Iterator[str]:
        """The ids of all kept blobs, in no order."""
        for shelf in self._root.iterdir():
            if len(shelf.name) == 2 and shelf.is_dir():
                yield from (path.name for path in shelf.iterdir() if is_uuid(path.name))

    def sweep(self, known: Callable[[list[str]], set[str]], *, now: float | None = None) -> int:
        """Removes what no row names and what was never finished, when older than ORPHAN_AGE; how many.

        ``known`` answers which of some ids have a row; it is asked for at most 500 at a time.
        """
        before = (time.time() if now is None else now) - ORPHAN_AGE
        unfinished = [path for path in self._incoming.iterdir() if _older(path, before)]
        for path in unfinished:
            path.unlink(missing_ok=True)
        removed = len(unfinished)
        for ids in _batches((i for i in self.ids() if _older(self.path(i), before)), _KNOWN_AT_ONCE):
            orphans = set(ids) - known(ids)
            self.remove(orphans)
            removed += len(orphans)
        return removed


def blob_path(root: Path, blob_id: str) -> Path:
    """Where a blob is, or would be, below ``root``. ValueError when ``blob_id`` is no UUID."""
    if not is_uuid(blob_id):
        raise ValueError("a blob is named by a UUID")
    return root / blob_id[:2] / blob_id


def _older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:  # another node removed it meanwhile
        return False


def _batches(ids: Iterator[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for blob_id in ids:
        batch.append(blob_id)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _sync_directory(path: Path) -> None:
    """A rename is durable once its directory is: fsync(2), notes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
