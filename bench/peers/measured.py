"""The peers' rows: the same rooms, the same texts, the same load client."""

from __future__ import annotations

from typing import Final

from bench.crowd import CONNECTS, SESSION_MEMORY
from bench.fleet import Fleet
from bench.measure import Run, run
from bench.nodes import NODE_LATENCY, TWO_DELIVERIES
from bench.peers.peer import Peer, install_redis, python_socketio_pair
from bench.process import memory_mb
from bench.product import MEMBERS
from bench.rooms import LATENCY, ONE_SENDER, PER_DELIVERY, SECONDS, TEN_SENDERS, TEXTS_PER_SECOND, WARM_S

# A fifth of Legato's crowd: enough to weigh a session and to time a login, and Prosody, which tells everyone in a room
# of everyone who comes, is done in reasonable time.
CROWD_ROOMS: Final = 20
AT_ONCE: Final = 100
SETTLE_S: Final = 2.0
DEADLINE_S: Final = 120.0
# Said beside each number of two nodes: the peer's column names what one node is made of.
BETWEEN: Final = "Redis between its nodes, a SQLite file each"

# The rows that a peer has, too; the last two are of two nodes, which one of the peers can have.
COMPARED: Final = (
    TEN_SENDERS,
    PER_DELIVERY,
    ONE_SENDER,
    LATENCY,
    SESSION_MEMORY,
    CONNECTS,
    NODE_LATENCY,
    TWO_DELIVERIES,
)


def rooms(peer: Peer) -> dict[str, Run]:
    """Everything of one room of 100."""
    with peer.start() as running, Fleet(peer.protocol, running.server, running.plan(1, MEMBERS, 10)) as fleet:
        fleet.connect(AT_ONCE, DEADLINE_S)
        ten = fleet.closed(WARM_S, SECONDS)
        fleet.quiet(SETTLE_S)
        rate = fleet.rate(WARM_S, SECONDS, TEXTS_PER_SECOND)
    with peer.start() as running, Fleet(peer.protocol, running.server, running.plan(1, MEMBERS, 1)) as fleet:
        fleet.connect(AT_ONCE, DEADLINE_S)
        one = fleet.closed(WARM_S, SECONDS)
    return {
        TEN_SENDERS.key: run(ten["deliveries"] / ten["seconds"], ten),
        LATENCY.key: run(rate["heard_ms"]["p99"], rate),
        ONE_SENDER.key: run(one["posted"] / one["seconds"], one),
    }


def ten_rooms(peer: Peer) -> dict[str, Run]:
    """CPU per delivery over ten rooms."""
    with peer.start() as running, Fleet(peer.protocol, running.server, running.plan(10, MEMBERS, 1)) as fleet:
        fleet.connect(AT_ONCE, DEADLINE_S)
        measured = fleet.closed(WARM_S, SECONDS)
    return {PER_DELIVERY.key: run(measured["server_cpu_s"] * 1e6 / max(1, measured["deliveries"]), measured)}


def two_nodes(peer: Peer) -> dict[str, Run]:
    """Two nodes and what is between them on one core: senders at the first, everybody else at the second."""
    install_redis()
    with python_socketio_pair() as (one, two, planner):
        plan = [each._replace(node=0 if each.sender else 1) for each in planner(1, MEMBERS, 10)]
        with Fleet(peer.protocol, one, plan, two) as fleet:
            fleet.connect(AT_ONCE, DEADLINE_S)
            rate = fleet.rate(WARM_S, SECONDS, TEXTS_PER_SECOND)
            fleet.quiet(SETTLE_S)
            closed = fleet.closed(WARM_S, SECONDS)
    return {
        NODE_LATENCY.key: run(rate["heard_ms"]["p99"], rate, note=BETWEEN),
        TWO_DELIVERIES.key: run(closed["deliveries"] / closed["seconds"], closed, note=BETWEEN),
    }


def crowd(peer: Peer) -> dict[str, Run]:
    """What a session weighs and how fast they come."""
    with peer.start() as running:
        plan = running.plan(CROWD_ROOMS, MEMBERS, 0)
        with Fleet(peer.protocol, running.server, plan) as fleet:
            empty = memory_mb(running.server.pids)
            connected = fleet.connect(AT_ONCE, DEADLINE_S)
            fleet.quiet(SETTLE_S)
            memory = memory_mb(running.server.pids)
    return {
        SESSION_MEMORY.key: run((memory - empty) * 1000 / len(plan), connected),
        CONNECTS.key: run(len(plan) / connected["seconds"], connected),
    }
