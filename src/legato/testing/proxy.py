"""The proxies that people put in front of several nodes, run with the very files under ``deploy/``."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from legato.testing.ca import Identity
from legato.testing.ports import free_port
from legato.testing.postgres import MissingPeerError
from legato.testing.waiting import poll

START_SECONDS: Final = 30.0
Kind = Literal["nginx", "haproxy"]

# What the files say of one installation, and stands otherwise in a test.
_NODES: Final = ("127.0.0.1:8770", "127.0.0.1:8771")
_WRAPPED: Final = """
{user} daemon off; pid {directory}/nginx.pid; error_log {directory}/proxy.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    include {directory}/site.conf;
}}
"""


class Proxy:
    """nginx or HAProxy on a free port of 127.0.0.1, with TLS. Raises MissingPeerError when it is not installed."""

    def __init__(
        self,
        kind: Kind,
        configuration: Path,
        directory: Path,
        nodes: Sequence[int],
        identity: Identity,
        *,
        port: int | None = None,
    ) -> None:
        """``configuration`` is the file from ``deploy/``; ``nodes`` the ports of two servers on 127.0.0.1."""
        found = shutil.which(kind, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if found is None:
            raise MissingPeerError(f"{kind} is not installed. On Debian, as root: apt-get install {kind}")
        self.port = port or free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        text = configuration.read_text()
        for name, port in zip(_NODES, nodes, strict=True):
            text = _replaced(text, name, f"127.0.0.1:{port}")
        if kind == "nginx":
            text = _replaced(text, "listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
            text = _replaced(text, "/etc/ssl/legato/fullchain.pem", str(identity.certificate))
            text = _replaced(text, "/etc/ssl/legato/privkey.pem", str(identity.key))
            (directory / "site.conf").write_text(text)
            user = "user root;" if os.geteuid() == 0 else ""  # else its workers cannot read a test's directory
            (directory / "nginx.conf").write_text(_WRAPPED.format(directory=directory, user=user))
            self._command = [found, "-p", str(directory), "-e", "stderr", "-c", str(directory / "nginx.conf")]
        else:
            both = directory / "both.pem"
            both.write_bytes(identity.certificate.read_bytes() + identity.key.read_bytes())
            text = _replaced(text, "bind :443 ssl", f"bind 127.0.0.1:{self.port} ssl")
            text = _replaced(text, "/etc/ssl/legato/fullchain-and-key.pem", str(both))
            (directory / "haproxy.cfg").write_text(text)
            self._command = [found, "-f", str(directory / "haproxy.cfg"), "-db"]

    def start(self) -> Proxy:
        """Starts it and returns when it takes connections. RuntimeError with what it says when it ends instead."""
        log = self._directory / "proxy.out"
        with log.open("ab") as out:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)  # noqa: S603
        poll(lambda: self._answers(log), START_SECONDS, "the proxy takes connections")
        return self

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None

    def _answers(self, log: Path) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"the proxy ended:\n{log.read_text(errors='replace')}")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def __enter__(self) -> Proxy:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


def _replaced(text: str, name: str, value: str) -> str:
    if name not in text:
        raise ValueError(f"the configuration has no {name!r}")
    return text.replace(name, value)
