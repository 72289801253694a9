"""A throw-away NATS: Debian's server on a free port of 127.0.0.1, killed and started again when a test says so."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from legato.testing.ports import free_port
from legato.testing.postgres import MissingPeerError
from legato.testing.waiting import poll

START_SECONDS = 30.0


class NatsServer:
    """``nats-server``, with its log below ``directory``. Raises MissingPeerError when it is not installed."""

    def __init__(self, directory: Path) -> None:
        found = shutil.which("nats-server")
        if found is None:
            raise MissingPeerError("NATS is not installed. On Debian, as root: apt-get install nats-server")
        self._program = found
        self._log = directory / "nats.log"
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> NatsServer:
        """Starts it, on the same port each time, and returns when it takes connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                [self._program, "--addr", "127.0.0.1", "--port", str(self.port)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        poll(self._answers, START_SECONDS, "NATS takes connections")
        return self

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def __enter__(self) -> NatsServer:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.kill()
