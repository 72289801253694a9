"""Makes an installation from an archive.

The archive is read twice: once to find that it is whole, before anything is changed, and once to unpack it. The bytes
of media are put in place first and the database last, in one stroke, for the reason for which a server keeps bytes
before it writes their row: whatever happens on the way, no row lacks its bytes. Bytes that no row names after a restore
that did not end are swept by the server, as ever.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from legato.config import Settings
from legato.operations.archive import MAX_KEY, ArchiveError, Manifest, Member, members, verify
from legato.store.files import Files
from legato.store.migrate import is_known
from legato.store.snapshot import (
    SnapshotError,
    is_empty,
    others_connected,
    prepare_sqlite,
    put_back_postgresql,
    store_of,
)

_BESIDE: Final = ("-wal", "-shm")  # what SQLite keeps beside a database that is in use, or was when it was killed


def check_archive(archive: Path) -> Manifest:
    """What the archive says of itself, if it is whole. Changes nothing. Raises ArchiveError."""
    with tempfile.TemporaryFile() as sums:
        return verify(archive, sums)


def restore(settings: Settings, archive: Path, *, replace: bool = False) -> Manifest:
    """Makes this installation what it was when the archive was made, brought forward to this build.

    With ``replace`` what is here goes; without it an installation that holds anything is left as it is. No server may
    run. Raises ArchiveError, InUseError.
    """
    manifest = check_archive(archive)
    store = store_of(settings.database)
    if manifest.store != store:
        raise ArchiveError(f"{archive} is of {manifest.store}, and this installation's database is {store}")
    if not is_known(manifest.revision):
        raise ArchiveError(
            f"{archive} was made by Legato {manifest.legato} at revision {manifest.revision}, which this build does not"
            " know: use that version or a newer one"
        )
    with settings.installation.claimed():
        try:
            _look(settings, replace=replace)
            _unpack(settings, archive, manifest, replace=replace)
        except SnapshotError as error:
            raise ArchiveError(str(error)) from error
        except OSError as error:
            raise ArchiveError(f"{error.filename or settings.data_dir}: {error.strerror or error}") from error
    return manifest


def _look(settings: Settings, *, replace: bool) -> None:
    """Whether there is room for another installation."""
    others = others_connected(settings.database)
    if others:
        raise ArchiveError(f"the database is in use by {', '.join(others)}: stop every server first")
    if replace:
        return
    kept = next(iter(settings.installation.applications()), None)
    files = settings.files
    if not is_empty(settings.database):
        held = "the database is not empty"
    elif kept is not None:
        held = f"{settings.data_dir / 'keys'} holds private keys"
    elif files.is_dir() and next(Files(files).ids(), None) is not None:
        held = f"{files} holds files"
    else:
        return
    raise ArchiveError(f"{held}; nothing was changed. With --replace, what is here goes")


def _unpack(settings: Settings, archive: Path, manifest: Manifest, *, replace: bool) -> None:
    files = Files(settings.files)
    database = None
    if manifest.store == "sqlite":  # whatever link leads there
        database = Path(settings.database.partition("///")[2].partition("?")[0]).resolve()
    # Where it is to stand in the end, so that putting it there is one rename.
    with tempfile.TemporaryDirectory(
        prefix=".legato-restore-", dir=settings.data_dir if database is None else database.parent
    ) as place:
        parts: list[Path] = []
        keys: dict[str, str] = {}
        with members(archive) as found:
            for member in found:
                kind, _, name = member.name.partition("/")
                if kind == "database":
                    parts.append(_write(member, Path(place) / name))
                elif kind == "files":
                    _keep(files, member, name.rpartition("/")[2])
                elif kind == "keys":
                    keys[name.removesuffix(".pem")] = _key(member)
        _put_keys(settings, keys, replace=replace)
        what = {"revision": manifest.revision, "rows": manifest.rows, "without": manifest.deleted}
        if database is None:
            put_back_postgresql(settings.database, parts, replace=replace, **what)  # type: ignore[arg-type]
        else:
            (part,) = parts
            prepare_sqlite(part, **what)  # type: ignore[arg-type]
            _put_sqlite(part, database)
    _hand_over(settings, database)


def _write(member: Member, path: Path) -> Path:
    with path.open("xb") as file:
        path.chmod(0o600)
        for chunk in member.chunks():
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return path


def _keep(files: Files, member: Member, blob_id: str) -> None:
    with files.create(member.size) as incoming:
        for chunk in member.chunks():
            incoming.write(chunk)
        files.keep(incoming, blob_id)


def _key(member: Member) -> str:
    if member.size > MAX_KEY:
        raise ArchiveError(f"{member.name} is larger than any key")
    return b"".join(member.chunks()).decode()


def _put_keys(settings: Settings, keys: dict[str, str], *, replace: bool) -> None:
    installation = settings.installation
    if replace:
        for application_id in set(installation.applications()) - keys.keys():
            installation.forget_key(application_id)
    for application_id, key in keys.items():
        installation.save_key(application_id, key)


def _put_sqlite(part: Path, database: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())  # migrations have written to it
    for end in _BESIDE:  # of the one that goes: SQLite would take them for parts of the new one
        Path(f"{database}{end}").unlink(missing_ok=True)
    part.replace(database)
    descriptor = os.open(database.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hand_over(settings: Settings, database: Path | None) -> None:
    """What root has written belongs to whoever owns the data directory: the server's user."""
    if os.geteuid() != 0:
        return
    owner = settings.data_dir.stat()
    for top in (settings.files, settings.data_dir / "keys"):
        for directory, _directories, names in os.walk(top):
            os.chown(directory, owner.st_uid, owner.st_gid)
            for name in names:
                os.chown(Path(directory) / name, owner.st_uid, owner.st_gid, follow_symlinks=False)
    if database is not None:
        for path in (database, Path(f"{database}.lock")):
            os.chown(path, owner.st_uid, owner.st_gid)
