"""A throw-away PostgreSQL: Debian's server, its own data directory, a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg

from legato.testing.ports import free_port
from legato.testing.waiting import poll

START_SECONDS = 60.0  # initdb and the first start, on a busy machine

# A server that refuses to run as root runs as Debian's `postgres` user.
_SERVICE_USER = "postgres"


class MissingPeerError(Exception):
    """A program that a test needs is not on this machine. The text says how to get it."""


def binaries() -> Path:
    """The directory with ``initdb`` and ``postgres``: Debian's newest, else the path's. Raises MissingPeerError."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda found: int(found.parts[-3]))
    if newest:
        return newest[-1].parent
    initdb = shutil.which("initdb")
    if initdb is None:
        raise MissingPeerError("PostgreSQL is not installed. On Debian, as root: apt-get install postgresql")
    return Path(initdb).resolve().parent


class Cluster:
    """A running PostgreSQL that is gone, with its data, after ``stop``.

    ``durable=False`` (the default) turns fsync off: right for every test that does not itself assert durability.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self._binaries = binaries()
        self._user = _SERVICE_USER if os.geteuid() == 0 else None
        self._root = Path(tempfile.mkdtemp(prefix="legato-postgres-"))
        self._data = self._root / "data"
        if self._user is not None:
            shutil.chown(self._root, self._user)
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on" if durable else "off",
            "synchronous_commit": "on" if durable else "off",
            "full_page_writes": "on" if durable else "off",
            "autovacuum": "off",
            "log_min_messages": "fatal",
        }
        self._options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._log = (self._root / "log").open("wb")
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self) -> None:
        """Start it, also again after ``kill``: what was committed is there. Returns when it accepts connections."""
        self._process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
            [self._binaries / "postgres", "-D", self._data, *self._options],
            stdout=self._log,
            stderr=self._log,
            cwd=self._root,
            user=self._user,
            group=self._user,
        )
        poll(self._answers, START_SECONDS, "PostgreSQL accepts connections")

    def kill(self) -> None:
        """``kill -9`` of the server with all its processes: nothing is flushed, and nobody is told."""
        self._process.send_signal(signal.SIGSTOP)  # or it would start others while these are killed
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        # One that still has the shared memory would keep the next server out.
        poll(lambda: not any(map(_runs, pids)), START_SECONDS, "PostgreSQL is gone")

    def database(self, *, like: str | None = None) -> str:
        """The URL of a new database, for ``LEGATO_DATABASE_URL``: empty, or a copy of that at the URL ``like``.

        Nobody may be connected to the one that is copied.
        """
        name = f"legato_{uuid.uuid4().hex}"
        template = "template0" if like is None else _name(like)
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            # From 15 on, PostgreSQL writes a copy to its log, page by page, unless it is told otherwise. Where nothing
            # waits for the disk, copying the files is five times as quick.
            files = not self._durable and connection.info.server_version >= 150_000
            strategy = "STRATEGY file_copy" if files else ""
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def pids(self) -> list[int]:
        """The processes of the server: the one that listens, and one for each connection and duty."""
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *(int(child) for child in children)]

    def drop(self, url: str) -> None:
        """Remove a database, cutting whoever is still connected."""
        name = _name(url)
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self) -> None:
        """End the server at once and remove its data."""
        self._process.send_signal(signal.SIGQUIT)  # its immediate shutdown: takes its children along
        self._process.wait()
        self._log.close()
        shutil.rmtree(self._root, ignore_errors=True)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended:\n{(self._root / 'log').read_text(errors='replace')}")
        try:
            psycopg.connect(self._address("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _address(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            [self._binaries / program, *arguments],
            capture_output=True,
            text=True,
            cwd=self._root,
            check=False,
            user=self._user,
            group=self._user,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stderr}")


def _runs(pid: int) -> bool:
    """Whether a process is there and is no corpse that its parent has not looked at yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def _name(url: str) -> str:
    return url.rsplit("/", 1)[1]
