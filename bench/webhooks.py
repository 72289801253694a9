"""Rows of webhooks: how many are delivered, in order and durably, and what writing their lanes costs the event path."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bench.fleet import HERE, Fleet, Measured
from bench.machine import CLIENT_CORE, SERVER_CORE, core_busy_s
from bench.measure import Row, Run, run
from bench.process import cpu_s
from bench.product import MEMBERS, Product, Rest, World
from legato.testing.ports import free_port

# Rooms with one sender each: as many lanes.
ROOMS: Final = 50
TEXTS: Final = 400
WARM_S: Final = 1.0
SECONDS: Final = 5.0
LOOK_S: Final = 0.05
DEADLINE_S: Final = 120.0

WEBHOOKS: Final = Row("webhooks", "ordered durable webhook deliveries", 2_000, "more", " /s")
LANES: Final = Row("lanes", "REST append with lanes written, against without", 0.85, "more", " ×", 2)


class Receiver:
    """The receiver on the client's core; ``bad`` are ports of it that answer nothing, or late and badly."""

    def __init__(self, host: str = "127.0.0.1", bad: Sequence[int] = ()) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.receiver", host, str(self.port), *map(str, bad)],
            cwd=HERE.parent,
            preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE}),
        )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def count(self) -> dict[str, int]:
        """What it has seen."""
        counted: dict[str, int] = self._ask("/count")
        return counted

    def ages(self, since_ns: int) -> dict[str, float]:
        """How old the texts were that were due since then: their ``count``, and ``p50``, ``p99`` and ``max`` in ms."""
        ages: dict[str, float] = self._ask(f"/ages?since={since_ns}")
        return ages

    def _ask(self, path: str) -> Any:
        deadline = time.monotonic() + 10
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            try:
                connection.request("GET", path)
                return json.loads(connection.getresponse().read())
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_S)
            finally:
                connection.close()

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait()


@contextmanager
def receiving(host: str = "127.0.0.1", bad: Sequence[int] = ()) -> Iterator[Receiver]:
    """A receiver that runs."""
    receiver = Receiver(host, bad)
    receiver.count()
    try:
        yield receiver
    finally:
        receiver.stop()


class Endpoint:
    """The world's application, told to send its events to a receiver."""

    def __init__(self, product: Product, world: World, url: str):
        self._port = product.port
        self._admin = world.admin
        self._path = f"/v1/webhooks/{world.application_id}"
        product.set_event_url(world.application_id, url)

    def pause(self) -> None:
        """Nothing is sent; lanes go on being written."""
        self._ask("POST", "/pause")

    def resume(self) -> None:
        """Everything that waits is sent."""
        self._ask("POST", "/resume")

    def backlog(self) -> int:
        """How many events wait."""
        events: int = self._ask("GET", "")["backlog"]["events"]
        return events

    def _ask(self, method: str, rest: str) -> Any:
        # A connection for each: between two of them the server would long have closed it.
        return Rest(self._port, self._admin).call(method, self._path + rest)


def deliveries(world: World) -> dict[str, Run]:
    """A backlog of texts in ROOMS conversations, from the moment when sending begins until the last is taken."""
    with receiving() as receiver, world.served() as product:
        endpoint = Endpoint(product, world, receiver.url)
        endpoint.pause()
        with Fleet("legato", product, world.plan(ROOMS, 1, 1)) as fleet:
            fleet.append(TEXTS)
        expected = endpoint.backlog()
        busy, server, client = core_busy_s(SERVER_CORE), cpu_s(product.pids), cpu_s([receiver.pid])
        begun = time.monotonic()
        endpoint.resume()
        while (seen := receiver.count())["events"] < expected and time.monotonic() < begun + DEADLINE_S:
            time.sleep(LOOK_S)
        seconds = time.monotonic() - begun
        measured: Measured = {
            "seconds": seconds,
            "server_cpu_s": cpu_s(product.pids) - server,
            "client_cpu_s": cpu_s([receiver.pid]) - client,
            "core0_s": core_busy_s(SERVER_CORE) - busy,
            "disorder": seen["disorder"],
        }
    faults = [f"{expected - seen['events']} events were not delivered"] if seen["events"] != expected else []
    note = f"{expected:,} events in {ROOMS} lanes, {seen['repeats']} came twice"
    return {WEBHOOKS.key: run(expected / seconds, measured, note=note, faults=tuple(faults))}


def lanes(world: World) -> dict[str, Run]:
    """Appends per second with an endpoint that is paused, so that only lanes are written, against none."""
    without = _appends(world, None)
    written = _appends(world, "paused")
    shared = _appends(world, "active")

    def ratio(of: Measured) -> float:
        return float(of["answered"] / of["seconds"] / (without["answered"] / without["seconds"]))

    note = (
        f"{without['answered'] / without['seconds']:,.0f} /s without; {ratio(shared):.2f} × when this core delivers too"
    )
    return {LANES.key: run(ratio(written), written, note=note)}


def _appends(world: World, state: str | None) -> Measured:
    with receiving() as receiver, world.served() as product:
        if state is not None:
            endpoint = Endpoint(product, world, receiver.url)
            if state == "paused":
                endpoint.pause()
        with Fleet("legato", product, world.plan(1, min(MEMBERS, 32), 32)) as fleet:
            return fleet.closed(WARM_S, SECONDS, hear=False)
