"""The row of many endpoints: what ten that are dead or slow cost the other 990."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from bench.fleet import Fleet, Measured, Session
from bench.measure import Row, Run, run
from bench.product import Product, Rest, World
from bench.webhooks import Receiver, receiving
from legato.testing.ports import free_port

ENDPOINTS: Final = 1_000
BAD: Final = 10
PER_SECOND: Final = 200.0  # texts in all: each endpoint is told something every 5 s
WARM_S: Final = 3.0
SECONDS: Final = 20.0
SETTLE_S: Final = 2.0  # the last texts arrive
ARRIVED: Final = 0.99  # of the texts; a p99 of fewer would be another number
EVERYWHERE: Final = "0.0.0.0"  # every address of 127.0.0.0/8 is this machine, so each endpoint has a host of its own

# What ten endpoints that are dead or slow may cost the others: the more of these.
MORE: Final = 1.25
MORE_MS: Final = 5.0

DEAD: Final = Row(
    "endpoints",
    "p99 of 990 healthy endpoints, 10 others dead or slow, against what it may be (25 % or 5 ms over none dead)",
    1,
    "less",
    " ×",
    2,
    runs=5,
)


def endpoints(world: World) -> dict[str, Run]:
    """A thousand conversations with a callback each, all of them well, and then with ten that are not."""
    well, before = _measure(world, bad=0)
    with_bad, measured = _measure(world, bad=BAD)
    note = (
        f"p50 {well['p50']:.1f}, p99 {well['p99']:.1f} ms with none dead; p50 {with_bad['p50']:.1f}, "
        f"p99 {with_bad['p99']:.1f} ms with {BAD}, {with_bad['p99'] / well['p99']:.2f} ×"
    )
    faults = [
        f"{ages['count']} of {expected:.0f} texts arrived in time"
        for ages, expected in ((well, before["posted"]), (with_bad, measured["posted"] * (1 - BAD / ENDPOINTS)))
        if ages["count"] < expected * ARRIVED
    ]
    allowed = max(well["p99"] * MORE, well["p99"] + MORE_MS)
    return {DEAD.key: run(with_bad["p99"] / allowed, measured, note=note, faults=tuple(faults))}


def _measure(world: World, *, bad: int) -> tuple[dict[str, float], Measured]:
    """How old texts were when healthy endpoints had them, and what the load client measured meanwhile."""
    silent, slow = free_port(), free_port()
    with receiving(EVERYWHERE, (silent, slow)) as receiver, world.served() as product:
        urls = _urls(receiver, bad, (free_port(), silent, slow))
        with Fleet("legato", product, _conversations(product, world, urls)) as fleet:
            fleet.rate(WARM_S, 0.1, PER_SECOND)
            begun = time.monotonic_ns()
            measured = fleet.rate(0, SECONDS, PER_SECOND)
            time.sleep(SETTLE_S)
        seen = receiver.count()
        measured["disorder"] = seen["disorder"]
        return receiver.ages(begun), measured


def _urls(receiver: Receiver, bad: int, ports: Sequence[int]) -> list[str]:
    """Where each conversation's callback leads; the bad ones are spread, a third of each kind."""
    urls = [f"http://127.1.{number // 250}.{number % 250 + 1}:{receiver.port}/" for number in range(ENDPOINTS)]
    for number in range(bad):
        place = number * ENDPOINTS // bad
        urls[place] = f"http://127.2.0.{number + 1}:{ports[number % len(ports)]}/"
    return urls


def _conversations(product: Product, world: World, urls: Sequence[str]) -> list[Session]:
    """A conversation with a callback for each URL, and somebody in it who writes."""
    rest = Rest(product.port, world.admin)
    people = world.everyone(len(urls))

    def make(place: tuple[int, str]) -> Session:
        number, url = place
        who = people[number]
        body = {"name": f"endpoint{number:04}", "callback": {"url": url}}
        conversation = rest.call("POST", "/v1/conversations", body)["id"]
        join = {"user": {"name": who.user}, "state": "joined", "channel": {"type": "app"}}
        member = rest.call("POST", f"/v1/conversations/{conversation}/members", join)["id"]
        return who._replace(room=number, sender=True, conversation=conversation, member=member)

    return rest.all(make, list(enumerate(urls)))
