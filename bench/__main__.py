"""``python -m bench``: measures, prints, and writes RESULTS.md. See README.md."""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Final

import cryptography
import msgspec
import sqlalchemy
import uvicorn

import legato
from bench import crowd, endpoints, long_log, machine, nodes, report, rooms, stores, webhooks
from bench.fleet import BUILD, HERE, build
from bench.measure import Result, Row, Scenario
from bench.peers import measured as peers
from bench.peers import senders
from bench.peers.peer import PEERS, install_python_peers
from bench.product import world

# How many void or disturbed runs of a scenario may be replaced by others.
PATIENCE: Final = 3

SHARES: Final = (
    "*server* and *client* are shares of the core that each has to itself; for PostgreSQL, *client* is the database."
)

SOAK: Final = "## Killed, 200 times on each store"

# Each scenario with the rows it gives, in the order of the table.
SCENARIOS: Final = (
    (rooms.ten_senders, (rooms.TEN_SENDERS,)),
    (rooms.per_delivery, (rooms.PER_DELIVERY,)),
    (rooms.one_sender, (rooms.ONE_SENDER,)),
    (rooms.receipts, (rooms.RECEIPTS,)),
    (rooms.latency, (rooms.LATENCY,)),
    (crowd.crowd, (crowd.MEMORY, crowd.SESSION_MEMORY, crowd.CONNECTS)),
    (crowd.restart, (crowd.RESTART,)),
    (rooms.rest_append, (rooms.APPEND, rooms.APPEND_P99)),
    (webhooks.deliveries, (webhooks.WEBHOOKS,)),
    (webhooks.lanes, (webhooks.LANES,)),
    (endpoints.endpoints, (endpoints.DEAD,)),
)
# These make what they need by themselves.
STORES: Final = (
    (stores.sqlite, (stores.SQLITE,)),
    (stores.postgres, (stores.POSTGRES,)),
    (nodes.second_node, (nodes.NODE_P50, nodes.NODE_P99, nodes.NODE_LATENCY)),
    (nodes.two_nodes, (nodes.TWO_DELIVERIES, nodes.TOGETHER)),
    (nodes.failover, (nodes.FAILOVER,)),
)


class Bench:
    """One run of the bench: which rows, how often, and what came of it."""

    def __init__(self, *, repeat: int, patience: int, only: Sequence[str]):
        self.repeat = repeat
        self.patience = patience
        self.only = only
        self.results: list[Result] = []
        self.disk_ms = 0.0

    def wants(self, rows: Sequence[Row]) -> bool:
        """Whether one of ``rows`` was asked for."""
        return not self.only or any(row.key in self.only for row in rows)

    def measure(self, scenario: Scenario, rows: Sequence[Row]) -> dict[str, Result]:
        """Runs a scenario ``repeat`` times, and again where a run was void or disturbed."""
        results = {row.key: Result(row) for row in rows}
        tries, wanted = 0, max(self.repeat, *(row.runs for row in rows))
        while tries < wanted + self.patience and any(_clean(each) < wanted for each in results.values()):
            tries += 1
            for key, run in scenario().items():
                results[key].runs.append(run)
        return results

    def product(self, scenario: Scenario, rows: Sequence[Row]) -> None:
        """Measures rows of Legato and prints them."""
        for result in self.measure(scenario, rows).values():
            self.results.append(result)
            print(report.aligned(report.line(result)), flush=True)


def main() -> None:
    """Everything, or what the arguments name."""
    arguments = _arguments()
    machine.prepare()
    build()
    bench = Bench(repeat=arguments.repeat, patience=arguments.patience, only=arguments.rows)
    bench.disk_ms = machine.commit_ms(BUILD)
    print(f"Legato {legato.__version__} on a {machine.describe()}; medians of {bench.repeat} runs")
    print(f"The disk takes {bench.disk_ms:.2f} ms to sync a write.\n")
    print(report.aligned(report.HEAD))
    if any(bench.wants(rows) for _, rows in SCENARIOS) or bench.wants((long_log.LONG_LOG,)):
        made = world(reuse=arguments.reuse)
        for scenario, rows in SCENARIOS:
            if bench.wants(rows):
                bench.product(partial(scenario, made), rows)
    for scenario_of_store, rows in STORES:
        if bench.wants(rows):
            bench.product(scenario_of_store, rows)
    if bench.wants((long_log.LONG_LOG,)):
        with long_log.filled(made) as (product, logs):
            bench.product(partial(long_log.long_log, product, logs), (long_log.LONG_LOG,))
    beside = [] if arguments.no_peers or bench.only else [_peers(bench)]
    if not arguments.no_peers and bench.wants((webhooks.WEBHOOKS,)):
        beside.append(_senders(bench))
    if not bench.only:
        _write(bench, beside)
    missed = [result.row.key for result in bench.results if not result.is_met]
    if missed:
        sys.exit(f"Not met: {', '.join(missed)}")


def _arguments() -> argparse.Namespace:
    keys = [row.key for _, rows in (*SCENARIOS, *STORES) for row in rows] + [long_log.LONG_LOG.key]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join(keys)}")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each row (3)")
    parser.add_argument(
        "--patience", type=int, default=PATIENCE, help=f"runs that may replace void or disturbed ones ({PATIENCE})"
    )
    parser.add_argument("--reuse", action="store_true", help="keep the people and rooms of the last run")
    parser.add_argument("--no-peers", action="store_true", help="measure Legato alone")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(keys)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return arguments


def _clean(result: Result) -> int:
    return len([run for run in result.runs if not run.faults and not run.is_noisy])


def _peers(bench: Bench) -> str:
    measured, versions = {}, {}
    for peer in PEERS:
        peer.install()
        versions[peer.name] = peer.version()
        results: dict[str, Result] = {}
        for scenario, rows in (
            (peers.rooms, (rooms.TEN_SENDERS, rooms.LATENCY, rooms.ONE_SENDER)),
            (peers.ten_rooms, (rooms.PER_DELIVERY,)),
            (peers.crowd, (crowd.SESSION_MEMORY, crowd.CONNECTS)),
            *([(peers.two_nodes, (nodes.NODE_LATENCY, nodes.TWO_DELIVERIES))] if peer is PEERS[0] else []),
        ):
            results |= bench.measure(partial(scenario, peer), rows)
        measured[peer.name] = results
        told = ", ".join(f"{each.row.key} {each.row.shown(each.value or 0)}" for each in results.values())
        print(f"{peer.name} {versions[peer.name]} ({peer.durable}): {told}", flush=True)
    ours = {result.row.key: result.value for result in bench.results if result.value is not None}
    table = report.compared(peers.COMPARED, ours, measured, versions)
    print(f"\n{table}")
    return table


def _senders(bench: Bench) -> str:
    install_python_peers()
    measured = {
        each.name: bench.measure(partial(senders.deliveries, each), (webhooks.WEBHOOKS,)) for each in senders.SENDERS
    }
    versions = {each.name: each.version() for each in senders.SENDERS}
    ours = {result.row.key: result.value for result in bench.results if result.value is not None}
    table = report.compared((webhooks.WEBHOOKS,), ours, measured, versions)
    print(f"\n{table}")
    return table


def _write(bench: Bench, beside: Sequence[str]) -> None:
    packages = f"Python {platform.python_version()}, SQLAlchemy {sqlalchemy.__version__}, uvicorn {uvicorn.__version__}"
    packages += f", uvloop {version('uvloop')}, msgspec {msgspec.__version__}, cryptography {cryptography.__version__}"
    disk = f"a disk that takes {bench.disk_ms:.2f} ms to sync a write"
    today = dt.datetime.now(dt.UTC).date()
    parts = [
        "# What the bench measured last",
        f"{today}, Legato {legato.__version__}, {machine.describe()}, {disk}. {packages}.",
        f"Medians of {bench.repeat} runs; how each row is measured stands in [README.md](README.md). {SHARES}",
        report.markdown(bench.results),
        report.notes(bench.results),
    ]
    if beside:
        parts += ["## Beside it, in the same run", "How many times better Legato is, then the other's number.", *beside]
    results = HERE / "RESULTS.md"
    parts += _kept(results.read_text() if results.exists() else "")
    results.write_text("\n\n".join(parts) + "\n")


def _kept(before: str) -> list[str]:
    """What `make soak` came to is written by hand and stays."""
    _, heading, rest = before.partition(SOAK)
    return [heading + rest.rstrip()] if heading else []


if __name__ == "__main__":
    main()
