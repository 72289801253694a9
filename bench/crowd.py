"""Rows of a crowd: 10,000 sessions, what they weigh, how fast they come, and how they come back."""

from __future__ import annotations

import time
from typing import Final

from bench.fleet import Fleet
from bench.measure import Row, Run, run
from bench.product import CONVERSATIONS, MEMBERS, World

SETTLE_S: Final = 3.0
MISSED: Final = 20
AT_ONCE: Final = 100
DEADLINE_S: Final = 60.0

MEMORY: Final = Row("memory", "10,000 sessions: memory", 250, "less", " MB")
SESSION_MEMORY: Final = Row("session-memory", "… for each session", 25, "less", " kB", 1)
CONNECTS: Final = Row("connects", "10,000 sessions: connects with token check", 900, "more", " /s")
RESTART: Final = Row(
    "restart", "10,000 sessions back after kill -9, 20 missed events each: none lost, none twice", 20, "less", " s", 1
)


def crowd(world: World) -> dict[str, Run]:
    """Everybody logs in with a token the server has never seen; then the server is weighed."""
    with world.served() as product, Fleet("legato", product, world.plan(CONVERSATIONS, MEMBERS, 0)) as fleet:
        empty = product.memory_mb()
        connected = fleet.connect(AT_ONCE, DEADLINE_S)
        fleet.quiet(SETTLE_S)
        memory = product.memory_mb()
    return {
        MEMORY.key: run(memory, connected, note=f"{empty:.0f} MB when empty"),
        SESSION_MEMORY.key: run((memory - empty) * 1000 / connected["sessions"], connected),
        CONNECTS.key: run(connected["sessions"] / connected["seconds"], connected),
    }


def restart(world: World) -> dict[str, Run]:
    """Seconds from ``kill -9`` until everyone is back and has heard what was posted while they were away."""
    with world.served() as product, Fleet("legato", product, world.plan(CONVERSATIONS, MEMBERS, 1)) as fleet:
        fleet.connect(AT_ONCE, DEADLINE_S)
        fleet.append(1, hear=True)  # everyone has heard something, and so has an offset
        fleet.quiet(1)
        fleet.drop()
        fleet.append(MISSED)
        killed = time.monotonic()
        product.kill()
        product.start()
        started = time.monotonic() - killed
        fleet.serve(product)
        measured = fleet.resume(AT_ONCE, MISSED, DEADLINE_S)
    faults = []
    for count, what in (("missing", "events were lost"), ("twice", "events came twice")):
        if measured[count]:
            faults.append(f"{measured[count]} {what}")
    seconds = started + measured["seconds"]
    note = f"{started:.1f} s to start, {measured['deliveries']:,} missed events delivered"
    return {RESTART.key: run(seconds, measured, note=note, faults=tuple(faults))}
