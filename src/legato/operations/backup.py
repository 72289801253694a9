"""Makes an archive of a whole installation, while its server runs.

The database first, the files after. Bytes are kept before their row is written, so whatever the copy of the database
names has its bytes when they are looked for; what came later is not copied at all. In the other order a row could come
between the two, and lack its bytes for ever.

Rows go before bytes, so bytes that are gone by then belonged to media that somebody deleted meanwhile. Their ids are
kept in the manifest and their rows taken out when the archive is restored. Thus no restored row lacks its bytes, and
nothing deleted comes back as a link that leads nowhere.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from legato import __version__
from legato.config import Settings
from legato.events.moment import iso
from legato.operations.archive import ArchiveError, Manifest, Writer
from legato.store.files import blob_path
from legato.store.snapshot import Snapshot, SnapshotError, named_media, take_snapshot


@dataclass(frozen=True, slots=True)
class Backup:
    """What was made."""

    path: Path
    manifest: Manifest


def back_up(settings: Settings, target: Path) -> Backup:
    """Writes a new archive, readable by its owner alone: ``target``, or a file named by the time in that directory.

    It is there when this returns, on the disk, or not at all. Raises ArchiveError.
    """
    now = datetime.now(UTC)
    path = target / f"legato-{now:%Y%m%dT%H%M%SZ}.tar" if target.is_dir() else target
    if path.exists():
        raise ArchiveError(f"{path} exists already; nothing is written over")
    try:
        # Beside the archive: the database's copy needs as much room as the archive will.
        with tempfile.TemporaryDirectory(prefix=".legato-backup-", dir=path.parent) as place:
            partial = Path(place) / "archive.tar"
            descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w+b") as out, (Path(place) / "sums").open("w+b") as sums:
                manifest = _write(settings, Path(place), Writer(out, sums), now)
                out.flush()
                os.fsync(out.fileno())
            partial.rename(path)
        _sync(path.parent)
    except SnapshotError as error:
        raise ArchiveError(str(error)) from error
    except OSError as error:
        raise ArchiveError(f"{error.filename or path}: {error.strerror or error}") from error
    return Backup(path, manifest)


def _write(settings: Settings, place: Path, archive: Writer, now: datetime) -> Manifest:
    snapshot = take_snapshot(settings.database, place)
    for part in snapshot.parts:
        with part.open("rb") as file:
            archive.add(f"database/{part.name}", file, part.stat().st_size)
        part.unlink()  # it would take its room twice for as long as the files are copied
    keys = _add_keys(settings, archive)
    files, file_bytes, gone = _add_files(settings, snapshot, archive)
    still_named = named_media(settings.database, gone) if gone else set()
    manifest = Manifest(
        legato=__version__,
        store=snapshot.store,
        revision=snapshot.revision,
        made_at=iso(now.timestamp()),
        rows=snapshot.rows,
        files=files,
        file_bytes=file_bytes,
        keys=keys,
        deleted=[media_id for media_id in gone if media_id not in still_named],
        missing=len(still_named),
        sums="",
    )
    return archive.close(manifest)


def _add_keys(settings: Settings, archive: Writer) -> int:
    count = 0
    for application_id in settings.installation.applications():
        path = settings.data_dir / "keys" / f"{application_id}.pem"
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # deleted meanwhile
            archive.add(f"keys/{path.name}", file, os.fstat(file.fileno()).st_size)
            count += 1
    return count


def _add_files(settings: Settings, snapshot: Snapshot, archive: Writer) -> tuple[int, int, list[str]]:
    count = size = 0
    gone: list[str] = []
    for media_id in snapshot.ids():
        path = blob_path(settings.files, media_id)
        try:
            file = path.open("rb")  # from here on it can be read to its end, whoever deletes it
        except FileNotFoundError:
            gone.append(media_id)
            continue
        with file:
            length = os.fstat(file.fileno()).st_size
            archive.add(f"files/{path.parent.name}/{path.name}", file, length)
        count, size = count + 1, size + length
    return count, size, gone


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
