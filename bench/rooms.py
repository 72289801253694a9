"""Rows of rooms: people in conversations who post over REST and hear over their sessions."""

from __future__ import annotations

from typing import Final

from bench.fleet import Fleet
from bench.measure import Row, Run, run
from bench.product import MEMBERS, World

WARM_S: Final = 1.0
SECONDS: Final = 5.0
TEXTS_PER_SECOND: Final = 30.0

TEN_SENDERS: Final = Row("ten-senders", "room of 100, 10 senders closed loop", 120_000, "more", " deliveries/s")
PER_DELIVERY: Final = Row(
    "per-delivery", "CPU per delivery, one event in flight per room (10 × 100)", 13, "less", " µs", 1
)
ONE_SENDER: Final = Row("one-sender", "one sender closed loop, room of 100", 350, "more", " texts/s")
RECEIPTS: Final = Row("receipts", "room of 100, everyone posts a delivered receipt", 8, "more", " texts/s", 1)
LATENCY: Final = Row("latency", "p99 send → receive at 30 texts/s × 100", 8, "less", " ms", 1)
APPEND: Final = Row("rest-append", "REST append, 32 connections", 2_500, "more", " /s")
APPEND_P99: Final = Row("rest-append-p99", "… and its p99", 30, "less", " ms", 1)


def ten_senders(world: World) -> dict[str, Run]:
    """Deliveries per second that one core makes."""
    with world.served() as product, Fleet("legato", product, world.plan(1, MEMBERS, 10)) as fleet:
        fleet.connect()
        measured = fleet.closed(WARM_S, SECONDS)
    value = measured["deliveries"] / measured["seconds"]
    return {TEN_SENDERS.key: run(value, measured, note=f"p99 {measured['heard_ms']['p99']:.1f} ms")}


def per_delivery(world: World) -> dict[str, Run]:
    """CPU time of the whole server for one delivery when nothing can be batched within a room."""
    with world.served() as product, Fleet("legato", product, world.plan(10, MEMBERS, 1)) as fleet:
        fleet.connect()
        measured = fleet.closed(WARM_S, SECONDS)
    value = measured["server_cpu_s"] * 1e6 / max(1, measured["deliveries"])
    note = f"{measured['deliveries'] / measured['seconds']:,.0f} deliveries/s"
    return {PER_DELIVERY.key: run(value, measured, note=note)}


def one_sender(world: World) -> dict[str, Run]:
    """Texts per second when each waits for the last."""
    with world.served() as product, Fleet("legato", product, world.plan(1, MEMBERS, 1)) as fleet:
        fleet.connect()
        measured = fleet.closed(WARM_S, SECONDS)
    value = measured["answered"] / measured["seconds"]
    return {ONE_SENDER.key: run(value, measured, note=f"p99 {measured['heard_ms']['p99']:.1f} ms")}


def receipts(world: World) -> dict[str, Run]:
    """Texts per second when every client receipts each of them, half of them asking first who they are."""
    with world.served() as product, Fleet("legato", product, world.plan(1, MEMBERS, 2)) as fleet:
        fleet.connect()
        measured = fleet.receipts(WARM_S, SECONDS)
    faults = []
    missing = measured["all_receipts_due"] - measured["all_receipts_heard"]
    if missing:
        faults.append(f"{missing} receipts were not heard")
    note = f"{measured['receipts_answered'] / measured['seconds']:,.0f} receipts/s"
    value = measured["texts_done"] / measured["seconds"]
    return {RECEIPTS.key: run(value, measured, note=note, faults=tuple(faults))}


def latency(world: World) -> dict[str, Run]:
    """How old a text is when it arrives; its age begins when it was due to be posted."""
    with world.served() as product, Fleet("legato", product, world.plan(1, MEMBERS, 10)) as fleet:
        fleet.connect()
        measured = fleet.rate(WARM_S, SECONDS * 2, TEXTS_PER_SECOND)
    heard = measured["heard_ms"]
    note = f"p50 {heard['p50']:.1f}, max {heard['max']:.1f} ms"
    return {LATENCY.key: run(heard["p99"], measured, note=note)}


def rest_append(world: World) -> dict[str, Run]:
    """Appends into one conversation that nobody listens to, each connection waiting for its answer."""
    with world.served() as product, Fleet("legato", product, world.plan(1, 32, 32)) as fleet:
        measured = fleet.closed(WARM_S, SECONDS, hear=False)
    answers = measured["answer_ms"]
    return {
        APPEND.key: run(measured["answered"] / measured["seconds"], measured, note=f"p50 {answers['p50']:.1f} ms"),
        APPEND_P99.key: run(answers["p99"], measured, note=f"max {answers['max']:.1f} ms"),
    }
