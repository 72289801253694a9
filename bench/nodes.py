"""Rows of two nodes on one PostgreSQL: what the second one adds, what they do together, and how soon one is replaced.

Nodes, database and bus share the server's core, for the client needs the other one. So two nodes cannot be faster here
than one; what is measured is how much of one node's deliveries two of them make from the same core.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.fleet import BUILD, Fleet, Measured, Session
from bench.measure import Row, Run, run
from bench.product import MEMBERS, TOKEN_LIFE_S, Product, Rest, populate
from legato.testing.postgres import Cluster
from legato.testing.waiting import poll

ROOMS: Final = 10
WARM_S: Final = 1.0
SECONDS: Final = 5.0
TURNS: Final = 5  # of each of two that are compared
TEXTS_PER_SECOND: Final = 200.0
SENDERS: Final = 10
LATENCY_PER_SECOND: Final = 30.0
MISSED: Final = 20
AT_ONCE: Final = 100
DEADLINE_S: Final = 60.0
KNOWN_S: Final = 20.0

NODE_P50: Final = Row("node-p50", "a second node adds at 200 texts/s × 100, p50", 2, "less", " ms", 1)
NODE_P99: Final = Row("node-p99", "… and p99", 10, "less", " ms", 1)
NODE_LATENCY: Final = Row("node-latency", "p99 at the other node at 30 texts/s × 100", 20, "less", " ms", 1)
TWO_DELIVERIES: Final = Row("node-deliveries", "deliveries of two nodes on one core", 60_000, "more", " /s")
TOGETHER: Final = Row(
    "two-nodes", "two nodes sharing one core, against one that has it (room of 100 over both)", 0.8, "more", " ×", 2
)
FAILOVER: Final = Row(
    "failover", "node killed: its 1,000 sessions back elsewhere, none lost, none twice", 10, "less", " s", 1
)


@dataclass
class Pair:
    """Two nodes with people in them."""

    one: Product
    two: Product
    sessions: list[Session]

    def plan(self, rooms: int, senders: int, *, spread: bool = False, away: bool = False) -> list[Session]:
        """Sessions of the first ``rooms``: at the first node, ``spread`` over both, or all ``away`` at the second."""
        return [
            each._replace(sender=place % MEMBERS < senders, node=1 if away or (spread and place % 2) else 0)
            for place, each in enumerate(self.sessions[: rooms * MEMBERS])
        ]


@contextmanager
def pair(rooms: int) -> Iterator[Pair]:
    """Two nodes that know each other, on a database that syncs as Debian's does."""
    cluster = Cluster(durable=True)
    try:
        with TemporaryDirectory(dir=BUILD) as name:
            url = cluster.database()
            nodes = []
            for number in range(2):
                directory = Path(name) / str(number)
                directory.mkdir()
                nodes.append(Product(directory, database_url=url))
            one, two = nodes
            one.start()
            try:
                application = one.application()
                admin = application.token(ttl=TOKEN_LIFE_S)
                sessions = populate(Rest(one.port, admin), application, rooms)
                two.start()
                try:
                    poll(lambda: one.nodes_alive() == two.nodes_alive() == 2, KNOWN_S, "the nodes know each other")
                    yield Pair(one, two, sessions)
                finally:
                    two.stop()
            finally:
                one.stop()
    finally:
        cluster.stop()


def second_node() -> dict[str, Run]:
    """How much older a text is when everybody who hears it is at the other node."""
    heard: dict[bool, list[Measured]] = {False: [], True: []}
    with pair(1) as made:
        for turn in range(2 * TURNS):  # in turns, for what else a machine does changes within seconds
            away = turn % 2 == 1
            with Fleet("legato", made.one, made.plan(1, SENDERS, away=away), made.two) as fleet:
                fleet.connect()
                heard[away].append(fleet.rate(WARM_S, SECONDS, TEXTS_PER_SECOND))
                calm = fleet.rate(WARM_S, SECONDS, LATENCY_PER_SECOND) if turn == 2 * TURNS - 1 else {}
    runs = {NODE_LATENCY.key: run(calm["heard_ms"]["p99"], calm)}
    for row, which in ((NODE_P50, "p50"), (NODE_P99, "p99")):
        near, far = (statistics.median(each["heard_ms"][which] for each in heard[away]) for away in (False, True))
        note = f"{which} {near:.1f} ms at one node, {far:.1f} at the other"
        runs[row.key] = run(far - near, heard[True][-1], note=note)
    return runs


def two_nodes() -> dict[str, Run]:
    """Deliveries per second of two nodes, as a share of what one makes."""
    with pair(1) as made:
        deliveries = []
        for spread in (False, True):
            with Fleet("legato", made.one, made.plan(1, SENDERS, spread=spread), made.two) as fleet:
                fleet.connect()
                measured = fleet.closed(WARM_S, SECONDS)
                deliveries.append(measured["deliveries"] / measured["seconds"])
    one, two = deliveries
    return {
        TWO_DELIVERIES.key: run(two, measured),
        TOGETHER.key: run(two / one, measured, note=f"{one:,.0f} and {two:,.0f} deliveries/s"),
    }


def failover() -> dict[str, Run]:
    """Seconds from ``kill -9`` of one node until everybody at it is at the other and has heard what was missed."""
    with pair(ROOMS) as made, Fleet("legato", made.one, made.plan(ROOMS, 1, away=True), made.two) as fleet:
        fleet.connect(AT_ONCE, DEADLINE_S)
        fleet.append(1, hear=True)  # everyone has heard something, and so has an offset
        fleet.quiet(1)
        killed = time.monotonic()
        made.two.kill()
        fleet.drop()
        fleet.append(MISSED)
        posted = time.monotonic() - killed
        fleet.serve(made.one)
        fleet.move()
        measured = fleet.resume(AT_ONCE, MISSED, DEADLINE_S)
    faults = []
    for count, what in (("missing", "events were lost"), ("twice", "events came twice")):
        if measured[count]:
            faults.append(f"{measured[count]} {what}")
    note = f"{measured['deliveries']:,} missed events delivered; posting them took {posted:.1f} s"
    return {FAILOVER.key: run(posted + measured["seconds"], measured, note=note, faults=tuple(faults))}
