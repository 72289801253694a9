"""Rows of the two stores: appends past REST and sessions, in a process of their own (``bench.appends``)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.fleet import BUILD, HERE
from bench.machine import SERVER_CORE
from bench.measure import Row, Run, run
from legato.testing.postgres import Cluster

WARM_S: Final = 1.0
SECONDS: Final = 5.0
SQLITE_IN_FLIGHT: Final = 64
POSTGRES_IN_FLIGHT: Final = 256

SQLITE: Final = Row("sqlite", "appends, 64 in flight, SQLite synchronous=FULL", 10_000, "more", " /s")
POSTGRES: Final = Row("postgres", "appends, 256 in flight, PostgreSQL, one hot conversation", 10_000, "more", " /s")


def sqlite() -> dict[str, Run]:
    """SQLite, in a file."""
    with TemporaryDirectory(dir=BUILD) as name:
        return {SQLITE.key: _appends(f"sqlite:///{Path(name) / 'legato.db'}", SQLITE_IN_FLIGHT, None)}


def postgres() -> dict[str, Run]:
    """PostgreSQL as Debian configures it for durability (fsync and synchronous_commit on), on the other core."""
    cluster = Cluster(durable=True)
    try:
        return {POSTGRES.key: _appends(cluster.database(), POSTGRES_IN_FLIGHT, cluster.pids()[0])}
    finally:
        cluster.stop()


def _appends(url: str, in_flight: int, database: int | None) -> Run:
    arguments = [url, str(in_flight), str(WARM_S), str(SECONDS)]
    if database is not None:
        arguments.append(str(database))
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "bench.appends", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    measured = json.loads(done.stdout)
    note = f"{measured['server_cpu_s'] * 1e6 / measured['appends']:.0f} µs of CPU per append"
    return run(measured["appends"] / measured["seconds"], measured, note=note)
