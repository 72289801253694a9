"""The data directory: whose it is at the moment, where that server answers, and private keys kept for the command line.

::

    <database>.lock             held (flock) by whoever has the database open; a server writes where it answers into it
                                (<data_dir>/legato.lock when the database is not a file)
    <data_dir>/keys/<id>.pem    private keys of applications made by this machine's command line

The kernel lets go of the lock when its holder ends, however it ends: what the file says counts only while it is held.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from legato.events.ids import is_uuid

MAX_ANNOUNCEMENT: Final = 64 * 1024  # bytes
# Commands have the directory for a moment each; a server that only just starts is waited for as well.
WAIT_SECONDS: Final = 3.0
_RETRY_SECONDS: Final = 0.02


class Announcement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server says of itself to the commands of its own machine.

    ``secret`` is made anew at each start and is valid beside the account's own while this server runs (see
    ``legato.auth.WithLocalSecret``): a command needs no other. ``certificate`` is the file that the server's TLS uses.
    """

    pid: int
    url: str
    api_key: str
    secret: str
    certificate: str | None = None

    def __repr__(self) -> str:
        return f"Announcement(pid={self.pid}, url={self.url!r})"


class InUseError(Exception):
    """Somebody else has this data directory. ``announcement`` is what a server said, None while it starts."""

    def __init__(self, path: Path, announcement: Announcement | None) -> None:
        told = f"by the server at {announcement.url} (process {announcement.pid})" if announcement else "already"
        super().__init__(f"{path} is in use {told}")
        self.announcement = announcement


class Claim:
    """The data directory is ours until ``release`` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def announce(self, announcement: Announcement) -> None:
        """Tells the commands of this machine where the server answers."""
        content = msgspec.json.encode(announcement)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)

    def release(self) -> None:
        """Lets go. Nothing happens the second time."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Installation:
    """A data directory. It is made, readable by its owner alone, when something is first put into it."""

    def __init__(self, data_dir: Path, lock: Path | None = None) -> None:
        """``lock`` is the file that stands for the right to the database, where that is not in ``data_dir``."""
        self.data_dir = data_dir
        self._lock = lock or data_dir / "legato.lock"
        self._keys = data_dir / "keys"

    def claim(self, *, shared: bool = False) -> Claim:
        """Takes the directory, or raises InUseError: at once when a server has it, else after WAIT_SECONDS.

        With SQLite only one process may have it. Servers on PostgreSQL share it (``shared``); the last one to announce
        itself is the one that commands find.
        """
        for directory in (self.data_dir, self._lock.parent):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        if not shared:
            os.ftruncate(descriptor, 0)
        return Claim(descriptor)

    def _take(self, descriptor: int, kind: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        before = None
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                announcement = _read(descriptor)
                # Seen once it may be a dead server's, under the lock of a command that is about to empty the file.
                if (announcement is not None and announcement == before) or time.monotonic() > deadline:
                    raise InUseError(self._lock.parent, announcement) from None
                before = announcement
                time.sleep(_RETRY_SECONDS)
            else:
                return

    @contextlib.contextmanager
    def claimed(self, *, shared: bool = False) -> Iterator[None]:
        """The same for as long as a ``with`` block."""
        claim = self.claim(shared=shared)
        try:
            yield
        finally:
            claim.release()

    def server(self) -> Announcement | None:
        """The server that runs on this directory, None when none does. Raises InUseError while one is starting."""
        if not self._lock.exists():
            return None
        try:
            self.claim().release()
        except InUseError as taken:
            if taken.announcement is None:
                raise
            return taken.announcement
        return None

    def save_key(self, application_id: str, private_key: str) -> Path:
        """Keeps the private key for ``legato token`` and its kin; where it is."""
        path = self._key_path(application_id)
        self._keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written beside and renamed, so that a key is whole or not there, and never readable by others.
        beside = path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(private_key)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        return path

    def key(self, application_id: str) -> str | None:
        """The application's private key, if it is kept here."""
        try:
            return self._key_path(application_id).read_text()
        except FileNotFoundError:
            return None

    def forget_key(self, application_id: str) -> None:
        """Removes the application's private key, if it is kept here."""
        self._key_path(application_id).unlink(missing_ok=True)

    def applications(self) -> list[str]:
        """The ids of applications whose keys are kept here, the newest key last."""
        if not self._keys.is_dir():
            return []
        paths = [path for path in self._keys.glob("*.pem") if is_uuid(path.stem)]
        return [path.stem for path in sorted(paths, key=lambda path: path.stat().st_mtime)]

    def _key_path(self, application_id: str) -> Path:
        if not is_uuid(application_id):
            raise ValueError(f"{application_id!r} is not an application's id")
        return self._keys / f"{application_id}.pem"


def _read(descriptor: int) -> Announcement | None:
    try:
        return msgspec.json.decode(os.pread(descriptor, MAX_ANNOUNCEMENT, 0), type=Announcement)
    except msgspec.DecodeError:
        return None  # its holder is only just starting, or is a command
