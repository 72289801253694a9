"""The archive of a backup: a tar file that says, at its end, what it holds.

::

    database/legato.db, or database/<table>.csv     the database, at one moment      (legato.store.snapshot)
    keys/<application>.pem                          private keys that are kept here
    files/<first two>/<uuid>                        the bytes of every media that the database names
    SHA256SUMS                                      of all of the above: `sha256sum -c` checks an unpacked archive
    manifest.json                                   version, revision, counts, and the digest of SHA256SUMS

An archive that was cut short has no manifest, and is none. No name in it is trusted: what is not named as above is
refused before anything is written.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO, Final, Protocol

import msgspec

SUMS: Final = "SHA256SUMS"
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
CHUNK: Final = 1024 * 1024  # bytes
# A manifest names media that were deleted while the backup was made: 100,000 of them are 4 MB.
MAX_MANIFEST: Final = 64 * 1024 * 1024
MAX_KEY: Final = 64 * 1024

_UUID: Final = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_NAMES: Final = re.compile(
    rf"database/(?:legato\.db|[a-z_]{{1,63}}\.csv)|keys/{_UUID}\.pem|files/[0-9a-f]{{2}}/{_UUID}|{SUMS}|{MANIFEST}"
)


class ArchiveError(Exception):
    """What is wrong with an archive, or with making or unpacking one, in a sentence."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive says of itself. ``rows`` counts the rows of each table, ``file_bytes`` the bytes of all media.

    ``deleted`` are media that the database of the archive names and that were deleted before their bytes were copied.
    ``missing`` is how many it names whose bytes were not there although nobody had deleted them.
    """

    format: int = FORMAT
    legato: str
    store: str
    revision: str
    made_at: str
    rows: dict[str, int]
    files: int
    file_bytes: int
    keys: int
    deleted: list[str]
    missing: int
    sums: str


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class Hashing:
    """A file that is read, and the SHA-256 of what was."""

    def __init__(self, file: _Readable) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = CHUNK, /) -> bytes:
        """The next bytes."""
        data = self._file.read(size)
        self._digest.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> str:
        """Of what was read so far, in hexadecimal."""
        return self._digest.hexdigest()


class Writer:
    """An archive that is being written to ``out``; ``sums`` is a new file beside it for what its members come to."""

    def __init__(self, out: BinaryIO, sums: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by close
        self._sums = sums

    def add(self, name: str, file: BinaryIO, size: int) -> None:
        """Appends ``size`` bytes of ``file``. Raises ArchiveError when there are fewer."""
        hashing = Hashing(file)
        self._put(name, hashing, size)
        self._sums.write(f"{hashing.digest}  {name}\n".encode())

    def close(self, manifest: Manifest) -> Manifest:
        """Appends the sums and the manifest, which is given back with its ``sums`` filled in."""
        size = self._sums.tell()
        self._sums.seek(0)
        hashing = Hashing(self._sums)
        self._put(SUMS, hashing, size)
        manifest = msgspec.structs.replace(manifest, sums=hashing.digest)
        text = msgspec.json.format(msgspec.json.encode(manifest))
        self._tar.addfile(_info(MANIFEST, len(text)), BytesIO(text))
        self._tar.close()
        return manifest

    def _put(self, name: str, file: Hashing, size: int) -> None:
        try:
            self._tar.addfile(_info(name, size), file)
        except OSError as error:
            raise ArchiveError(f"{name} cannot be put into the archive: {error}") from error
        _forget(self._tar)


class Member:
    """One member of an archive that is read: its name and its bytes, as often as they last."""

    def __init__(self, name: str, size: int, file: IO[bytes]) -> None:
        self.name = name
        self.size = size
        self.file = Hashing(file)

    def chunks(self) -> Iterator[bytes]:
        """Its bytes."""
        while chunk := self.file.read(CHUNK):
            yield chunk


@contextmanager
def members(archive: Path) -> Iterator[Iterator[Member]]:
    """The members of an archive, in their order. Each is read before the next is asked for. Raises ArchiveError."""
    try:
        with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|") as tar:
            yield _each(tar)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArchiveError(f"{archive} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _each(tar: tarfile.TarFile) -> Iterator[Member]:
    while (info := tar.next()) is not None:
        _forget(tar)
        file = tar.extractfile(info) if info.isreg() and _NAMES.fullmatch(info.name) else None
        if file is None:
            raise ArchiveError(f"{info.name!r} does not belong into an archive of Legato's")
        yield Member(info.name, info.size, file)


def verify(archive: Path, own_sums: IO[bytes]) -> Manifest:
    """What the archive says of itself, once every byte of it is found to be as it was. Changes nothing.

    ``own_sums`` is an empty file to work with. Raises ArchiveError, which says what is wrong.
    """
    manifest: Manifest | None = None
    sums_digest = ""
    files = file_bytes = keys = 0
    with members(archive) as found:
        for member in found:
            if sums_digest and member.name != MANIFEST:
                raise ArchiveError(f"{archive} goes on after {SUMS}")
            if member.name == MANIFEST:
                manifest = _manifest(archive, member)
            elif member.name == SUMS:
                _compare(archive, member, own_sums)
                sums_digest = member.file.digest
            else:
                for _ in member.chunks():
                    pass
                own_sums.write(f"{member.file.digest}  {member.name}\n".encode())
                files += member.name.startswith("files/")
                keys += member.name.startswith("keys/")
                file_bytes += member.size if member.name.startswith("files/") else 0
    if manifest is None:
        raise ArchiveError(f"{archive} is not whole: it has no {MANIFEST}, which is written last")
    if manifest.sums != sums_digest or (manifest.files, manifest.file_bytes, manifest.keys) != (
        files,
        file_bytes,
        keys,
    ):
        raise ArchiveError(f"{archive} is damaged: it does not hold what its {MANIFEST} says")
    return manifest


def _manifest(archive: Path, member: Member) -> Manifest:
    if member.size > MAX_MANIFEST:
        raise ArchiveError(f"{archive}: its {MANIFEST} is larger than any")
    try:
        head = msgspec.json.decode(text := b"".join(member.chunks()), type=dict[str, msgspec.Raw])
        if head.get("format", msgspec.Raw()) != msgspec.Raw(str(FORMAT).encode()):
            raise ArchiveError(f"{archive} is of a format that this build does not know: use a newer Legato")
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ArchiveError(f"{archive}: its {MANIFEST} cannot be read ({error})") from error


def _compare(archive: Path, theirs: Member, ours: IO[bytes]) -> None:
    """Holds what the members come to against what they did when they were written."""
    ours.seek(0)
    for chunk in theirs.chunks():
        mine = ours.read(len(chunk))
        if mine != chunk:
            raise ArchiveError(f"{archive} is damaged: {_first_difference(chunk, mine)} is not what it was")
    if ours.read(1):
        raise ArchiveError(f"{archive} is damaged: it holds more than its {SUMS} lists")


def _first_difference(theirs: bytes, mine: bytes) -> str:
    """The name of the first member that differs, as far as the two chunks show it."""
    for their_line, my_line in zip(theirs.splitlines(), mine.splitlines(), strict=False):
        if their_line != my_line:
            return (their_line.partition(b"  ")[2] or my_line.partition(b"  ")[2]).decode("ascii", "replace")
    return SUMS


def _forget(tar: tarfile.TarFile) -> None:
    """tarfile remembers every member; there may be a million, and nobody asks for one again."""
    tar.members.clear()  # type: ignore[attr-defined]  # it is there in every version, and not in the stubs


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    return info
