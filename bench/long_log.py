"""The row of the long log: what is asked of a log of 1,000,000 events costs what it costs of a log of 1,000.

Requests to both logs take turns on one connection each, so that whatever else happens on the machine happens to both.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from bench.fleet import HERE, Session
from bench.machine import SERVER_CORE, core_busy_s
from bench.measure import Row, Run, run
from bench.process import cpu_s
from bench.product import MEMBERS, Product, Rest, World, running

SHORT: Final = 1_000
LONG: Final = 1_000_000
TURNS: Final = 400
PAGE: Final = 100
OPERATIONS: Final = ("append", "first page", "middle page", "last page")

LONG_LOG: Final = Row(
    "long-log", "log of 1,000,000: the worst of append, first, middle and last page against 1,000", 1.2, "less", " ×", 2
)


class Filled(NamedTuple):
    """A log under test: who posts to it, and how long it was."""

    session: Session
    length: int

    def requests(self, port: int) -> dict[str, bytes]:
        """Each operation's request, whole."""
        path = f"/v0.3/conversations/{self.session.conversation}/events"
        text = {"type": "message", "from": self.session.member, "body": {"message_type": "text", "text": "x" * 280}}
        return {
            "append": _request("POST", path, self.session.token, port, json.dumps(text)),
            "first page": _request("GET", f"{path}?page_size={PAGE}&order=asc", self.session.token, port),
            "middle page": _request(
                "GET", f"{path}?page_size={PAGE}&order=asc&start_id={self.length // 2}", self.session.token, port
            ),
            "last page": _request("GET", f"{path}?page_size={PAGE}&order=desc", self.session.token, port),
        }


@contextmanager
def filled(world: World) -> Iterator[tuple[Product, list[Filled]]]:
    """A running Legato with a short and a long log. Takes a few minutes."""
    sessions = [world.plan(2, 1, 1)[0], world.plan(2, 1, 1)[1]]
    logs = [Filled(session, length) for session, length in zip(sessions, (SHORT, LONG), strict=True)]
    with world.copied() as directory:
        with running(directory) as product:
            rest = Rest(product.port, world.admin)
            users = [_user_of(rest, session) for session in sessions]
        for log, user_id in zip(logs, users, strict=True):
            count = log.length - MEMBERS  # its first events say who joined
            arguments = [world.application_id, log.session.conversation, user_id, log.session.user, str(count)]
            url = f"sqlite:///{directory / 'legato.db'}"
            subprocess.run([sys.executable, "-m", "bench.fill", url, *arguments], check=True, cwd=HERE.parent)
        with running(directory) as product:
            yield product, logs


def long_log(product: Product, logs: list[Filled]) -> dict[str, Run]:
    """The median time of each operation on the long log over that on the short one; the worst of them."""
    cpu, core, started, own = cpu_s(product.pids), core_busy_s(SERVER_CORE), time.perf_counter(), time.process_time()
    times: dict[tuple[str, int], list[float]] = {(name, log.length): [] for name in OPERATIONS for log in logs}
    requests = {log.length: log.requests(product.port) for log in logs}
    connections = {log.length: socket.create_connection(("127.0.0.1", product.port)) for log in logs}
    for turn in range(TURNS):
        for name in OPERATIONS:
            for log in logs if turn % 2 else reversed(logs):
                taken = _ask(connections[log.length], requests[log.length][name])
                times[name, log.length].append(taken)
    for connection in connections.values():
        connection.close()
    seconds = time.perf_counter() - started
    medians = {key: statistics.median(values) for key, values in times.items()}
    ratios = {name: medians[name, LONG] / medians[name, SHORT] for name in OPERATIONS}
    note = ", ".join(f"{name} {ratios[name]:.2f} × of {medians[name, SHORT] * 1e3:.2f} ms" for name in OPERATIONS)
    measured = {
        "seconds": seconds,
        "server_cpu_s": cpu_s(product.pids) - cpu,
        "client_cpu_s": time.process_time() - own,
        "core0_s": core_busy_s(SERVER_CORE) - core,
    }
    return {LONG_LOG.key: run(max(ratios.values()), measured, note=note)}


def _user_of(rest: Rest, session: Session) -> str:
    member = rest.call("GET", f"/v0.3/conversations/{session.conversation}/members/{session.member}")
    user_id: str = member["_embedded"]["user"]["id"]
    return user_id


def _request(method: str, path: str, token: str, port: int, body: str = "") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def _ask(connection: socket.socket, request: bytes) -> float:
    """Sends a request and returns the seconds until its whole answer was there. SystemExit when it is refused."""
    started = time.perf_counter()
    connection.sendall(request)
    answer = b""
    wanted = -1
    while wanted < 0 or len(answer) < wanted:
        answer += connection.recv(1 << 20)
        if wanted < 0 and (end := answer.find(b"\r\n\r\n")) > 0:
            head = answer[:end].lower()
            wanted = end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    taken = time.perf_counter() - started
    if not answer.startswith(b"HTTP/1.1 20"):
        raise SystemExit(f"A request to a filled log was refused: {answer[:500]!r}")
    return taken
