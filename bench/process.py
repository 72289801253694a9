"""A server under test: started on its core, watched through /proc, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, Self

from bench.machine import SERVER_CORE

# How long a server may take to listen; the slowest here is Prosody with its modules.
START_S: Final = 30.0
STOP_S: Final = 10.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Target(Protocol):
    """What the load client needs to know of a server."""

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""

    @property
    def pids(self) -> list[int]:
        """Whose CPU time is the server's."""


class ServerProcess:
    """A server pinned to one core, all its threads with it."""

    def __init__(self, arguments: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None):
        self.port = port
        self.log = log
        self.started = time.monotonic()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                preexec_fn=_to_server_core,
            )
        self._wait_until_it_listens()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> list[int]:
        """The server's process and its children."""
        return family(self._process.pid)

    def kill(self) -> None:
        """``kill -9``."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Asks it to stop, and makes it after ten seconds."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _wait_until_it_listens(self) -> None:
        while time.monotonic() < self.started + START_S:
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        self.stop()
        raise SystemExit(f"The server did not start:\n{self.log.read_text()[-4000:]}")


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def memory_mb(pids: Sequence[int]) -> float:
    """Resident memory of these processes, in MB of 10^6 bytes."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total * 1024 / 1e6


def cpu_s(pids: Sequence[int]) -> float:
    """CPU time these processes have used, in seconds; those that have ended count no more."""
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _to_server_core() -> None:
    os.sched_setaffinity(0, {SERVER_CORE})
