"""What delivers events to a webhook otherwise: the same backlog, the same receiver, on the same core.

Each is a program under ``bench/peers`` that is given ``URL DATABASE CONVERSATIONS EVENTS``: it fills its own store,
prints ``ready``, and delivers everything once a line comes on its standard input, in order within each conversation,
signed, and with what was delivered written down durably.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from bench.fleet import BUILD, Measured
from bench.machine import SERVER_CORE, core_busy_s
from bench.measure import Run, run
from bench.peers.peer import HERE, VENV, freeze
from bench.process import cpu_s, family
from bench.webhooks import DEADLINE_S, LOOK_S, ROOMS, WEBHOOKS, receiving

from legato.testing.postgres import Cluster

# Fewer than Legato is given, in as many conversations: enough to take some seconds.
EVENTS: Final = 2_000


class Sender(NamedTuple):
    """``database`` gives an empty one."""

    name: str
    package: str
    program: Path
    database: Callable[[], AbstractContextManager[str]]

    def version(self) -> str:
        """Of what it is made with."""
        return f"{self.package} {freeze(self.package)}"


@contextmanager
def _file() -> Iterator[str]:
    with TemporaryDirectory(dir=BUILD) as name:
        yield str(Path(name) / "events.db")


@contextmanager
def _postgres() -> Iterator[str]:
    cluster = Cluster(durable=True)
    try:
        yield cluster.database().replace("+psycopg", "")
    finally:
        cluster.stop()


SENDERS: Final = (
    Sender("a loop with httpx and SQLite", "httpx", HERE / "naive_sender.py", _file),
    Sender("a job queue with a lock per conversation", "procrastinate", HERE / "procrastinate_sender.py", _postgres),
)


def deliveries(sender: Sender) -> dict[str, Run]:
    """Deliveries per second, from the moment when sending begins until the last event is taken."""
    with receiving() as receiver, sender.database() as database:
        arguments = [str(sender.program), receiver.url, database, str(ROOMS), str(EVENTS)]
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), str(VENV / "bin/python"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise SystemExit(f"{sender.name} did not start.")
            pids = family(process.pid)
            busy, server, client = core_busy_s(SERVER_CORE), cpu_s(pids), cpu_s([receiver.pid])
            begun = time.monotonic()
            process.stdin.write("go\n")
            process.stdin.flush()
            while (seen := receiver.count())["events"] < EVENTS and time.monotonic() < begun + DEADLINE_S:
                time.sleep(LOOK_S)
            seconds = time.monotonic() - begun
            measured: Measured = {
                "seconds": seconds,
                "server_cpu_s": cpu_s(pids) - server,
                "client_cpu_s": cpu_s([receiver.pid]) - client,
                "core0_s": core_busy_s(SERVER_CORE) - busy,
                "disorder": seen["disorder"],
            }
        finally:
            process.kill()
            process.wait()
    faults = [f"{EVENTS - seen['events']} events were not delivered"] if seen["events"] != EVENTS else []
    return {WEBHOOKS.key: run(EVENTS / seconds, measured, faults=tuple(faults))}
