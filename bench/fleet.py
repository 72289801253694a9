"""The load client (``bench/client``): built when its sources are newer, started on its core, told what to do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

from bench.machine import CLIENT_CORE
from bench.process import Target

HERE: Final = Path(__file__).parent
BUILD: Final = HERE / ".build"
SOURCES: Final = HERE / "client"

Protocol = Literal["legato", "socketio", "xmpp"]
Measured = dict[str, Any]


class Session(NamedTuple):
    """One session of a plan; what ``conversation``, ``member`` and ``token`` hold depends on the protocol."""

    room: int
    chat: bool  # shaped like @vonage/client-sdk, otherwise like nexmo-client
    sender: bool
    user: str
    conversation: str
    member: str
    token: str
    node: int = 0  # whose socket it has, of two

    def line(self) -> str:
        """The session as the load client reads it."""
        dialect = "chat" if self.chat else "classic"
        role = "sender" if self.sender else "listener"
        return "\t".join(
            (str(self.room), dialect, role, self.user, self.conversation, self.member, self.token, str(self.node))
        )


def build() -> Path:
    """Compiles the load client if need be and returns its path.

    Raises:
        SystemExit: there is no gcc.
    """
    program = BUILD / "load"
    sources = sorted(SOURCES.glob("*.c"))
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    if program.exists() and program.stat().st_mtime > newest:
        return program
    BUILD.mkdir(exist_ok=True)
    try:
        subprocess.run(
            ["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-D_DEFAULT_SOURCE", "-o", program, *sources], check=True
        )
    except FileNotFoundError:
        raise SystemExit("The bench's load client needs gcc (Debian: apt-get install gcc libc6-dev).") from None
    return program


class Fleet:
    """Sessions against one server, or two nodes of one. Every method waits until the load client has done it."""

    def __init__(self, protocol: Protocol, server: Target, sessions: Iterable[Session], second: Target | None = None):
        plan = BUILD / f"plan-{os.getpid()}.tsv"
        plan.write_text("".join(f"{session.line()}\n" for session in sessions))
        ports = str(server.port) if second is None else f"{server.port},{second.port}"
        self._process = subprocess.Popen(
            [build(), protocol, ports, plan],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE}),
        )
        self.serve(server, *filter(None, (second,)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def serve(self, *servers: Target) -> None:
        """Tells whose CPU time is the server's (again after a restart)."""
        self._do("server", *(pid for server in servers for pid in server.pids))

    def connect(self, parallel: int = 100, deadline_s: float = 60) -> Measured:
        """Logs everyone in.

        Raises:
            SystemExit: somebody could not log in.
        """
        measured = self._do("connect", parallel, deadline_s)
        if measured["ready"] != measured["sessions"]:
            raise SystemExit(f"Only {measured['ready']} of {measured['sessions']} sessions could log in.")
        return measured

    def quiet(self, seconds: float) -> None:
        """Only answers heartbeats."""
        self._do("quiet", seconds)

    def closed(self, warm_s: float, seconds: float, *, hear: bool = True) -> Measured:
        """One text in flight per sender."""
        return self._do("closed", warm_s, seconds, int(hear))

    def rate(self, warm_s: float, seconds: float, per_second: float) -> Measured:
        """Texts at a fixed rate in all."""
        return self._do("rate", warm_s, seconds, per_second)

    def receipts(self, warm_s: float, seconds: float) -> Measured:
        """One text in flight per sender until everyone's receipt for it is answered."""
        return self._do("receipts", warm_s, seconds)

    def append(self, each: int, *, hear: bool = False) -> Measured:
        """Every sender posts ``each`` texts."""
        return self._do("append", each, int(hear))

    def drop(self) -> None:
        """Cuts every connection."""
        self._do("drop")

    def move(self) -> None:
        """Everybody connects to the first node from now on."""
        self._do("move")

    def resume(self, parallel: int, each: int, deadline_s: float) -> Measured:
        """Reconnects everyone and waits for ``each`` missed texts."""
        return self._do("resume", parallel, each, deadline_s)

    def _do(self, *command: object) -> Measured:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(map(str, command)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"The load client ended in “{' '.join(map(str, command))}”.")
        measured: Measured = json.loads(answer)
        return measured
