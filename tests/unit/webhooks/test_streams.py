"""Streams of what no log has: each leg, each knocker and each application has its own, as long as it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from sqlalchemy import Connection, Table, create_engine, func, select, text
from tests.unit.webhooks.conftest import NOW, House

from legato.events.envelope import Event, JsonObject
from legato.log import Upkeep
from legato.store.applications import Application, delete_application, insert_application, purge_orphans
from legato.store.attempts import DeadLetter, keep_dead_letters
from legato.store.lanes import append_to_streams, move_lanes, stream_of
from legato.store.leases import Lease, Progress, first_pages, release_leases, save_progress
from legato.store.migrate import bring_to
from legato.store.replays import Again, add_replay
from legato.store.schema import counters, lanes, stream_events
from legato.testing.receiver import Received, Receiver

ONE, OTHER = "10000000-0000-4000-8000-000000000001", "20000000-0000-4000-8000-000000000002"
KNOCKER = "30000000-0000-4000-8000-000000000003"
DAY = 24 * 3600.0
BEGUN = NOW - 10 * DAY
KEPT_SECONDS = 2 * DAY  # attempts


@dataclass(frozen=True)
class Stopped:
    """A clock that stands still."""

    time: float

    def now(self) -> float:
        """Seconds since 1970."""
        return self.time


def event(house: House, kind: str, body: JsonObject, sender: str | None = f"knocker:{KNOCKER}") -> Event:
    """One that has no conversation."""
    return Event(
        type=kind, body=body, timestamp="2026-01-02T08:00:00.000Z", application_id=house.application, from_=sender
    )


def status(house: House, leg: str, said: str = "ringing") -> Event:
    """Of a leg."""
    return event(house, "leg:status:update", {"leg_id": leg, "type": "phone", "status": said})


def created(house: House) -> Event:
    """Of the application."""
    return event(house, "conversation:created", {"id": "CON-1", "name": "x", "state": "ACTIVE"}, None)


async def happen(house: House, *unlogged: Event, now: float = BEGUN) -> None:
    """What the log does with events that it does not have itself."""

    def work(connection: Connection) -> None:
        move_lanes(connection, append_to_streams(connection, unlogged, now), now)

    await house.log.transact(work)


async def told(house: House) -> dict[str, list[str]]:
    """What waits, by stream."""
    leases = await house.lease({house.application: 100})
    pages = await house.log.read(partial(first_pages, leases=leases, limit=100))
    await house.log.transact(release_leases)
    return {lease.stream: [each.webhook_id for each in page.events] for lease, page in zip(leases, pages, strict=True)}


async def take_all(house: House) -> None:
    """Delivers everything that waits."""
    leases = await house.lease({house.application: 100})
    await house.log.transact(partial(save_progress, node="node", progress=_done(leases), now=NOW, until=NOW + 20))


def _done(leases: list[Lease]) -> list[Progress]:
    return [
        Progress(endpoint_id=each.endpoint_id, stream=each.stream, cursor=each.head, release=True) for each in leases
    ]


async def rows(house: House) -> dict[str, int]:
    """How many there are of streams, lanes and what waits."""

    def count(connection: Connection, table: Table) -> int:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    return {table.name: await house.log.read(partial(count, table=table)) for table in (counters, lanes, stream_events)}


async def upkeep(house: House, at: float) -> None:
    """The chores, as they are done at that time."""
    house.log.clock = Stopped(at)
    await Upkeep(house.log, attempt_seconds=KEPT_SECONDS).once()


@pytest.mark.parametrize(
    ("kind", "body", "sender", "stream"),
    [
        ("app:knocking", {"user": {"id": "USR-1"}, "channel": {"id": ONE}}, f"knocker:{KNOCKER}", KNOCKER),
        ("app:knocking:cancel", {"user": {"id": "USR-1"}, "reason": {}}, f"knocker:{KNOCKER}", KNOCKER),
        ("leg:status:update", {"leg_id": ONE, "type": "phone", "status": "ringing"}, f"knocker:{KNOCKER}", ONE),
        ("sip:ringing", {"direction": "inbound", "channel": {"id": ONE}}, f"knocker:{KNOCKER}", ONE),
        ("sip:status", {"channel": {"id": ONE}}, None, ONE),
        ("conversation:created", {"id": "CON-1"}, None, None),
        ("app:push", {"user": {"id": "USR-1"}, "devices": []}, None, None),
    ],
)
async def test_an_event_without_a_conversation_is_in_the_stream_of_what_it_is_about(
    house: House, kind: str, body: JsonObject, sender: str | None, stream: str | None
) -> None:
    assert stream_of(event(house, kind, body, sender)) == (stream or house.application)


async def test_each_stream_counts_for_itself(house: House) -> None:
    knock = event(house, "app:knocking", {"user": {"id": "USR-1"}, "channel": {"id": ONE}})
    await happen(house, created(house), knock, status(house, ONE), status(house, OTHER), status(house, ONE))
    await happen(house, status(house, ONE), created(house))
    assert await told(house) == {
        house.application: [f"{house.application}_1", f"{house.application}_2"],
        KNOCKER: [f"{KNOCKER}_1"],
        ONE: [f"{ONE}_1", f"{ONE}_2", f"{ONE}_3"],
        OTHER: [f"{OTHER}_1"],
    }


async def test_a_leg_that_cannot_be_told_delays_neither_another_nor_the_application(house: House) -> None:
    with Receiver() as receiver:
        mine = House(house.log)
        rtc = {"webhooks": {"event_url": {"address": receiver.url}}}
        made = Application(id=mine.application, name="y", public_key="p", created_at=1.0, capabilities={"rtc": rtc})
        await house.log.transact(partial(insert_application, application=made))
        receiver.behave("500", only=ONE)
        now = house.log.clock.now()
        await happen(mine, status(mine, ONE, "ringing"), status(mine, OTHER, "ringing"), created(mine), now=now)
        await happen(mine, status(mine, ONE, "answered"), status(mine, OTHER, "answered"), created(mine), now=now)
        webhooks = mine.webhooks()
        await webhooks.start()
        others = [f"{stream}_{each}" for stream in (OTHER, mine.application) for each in (1, 2)]
        found = await asyncio.to_thread(receiver.until, _have_come(*others), "the others are told")
        assert f"{ONE}_2" not in {each.id for each in found}
        receiver.behave("ok")
        found = await asyncio.to_thread(receiver.until, _have_come(f"{ONE}_1", f"{ONE}_2"), "the leg is told")
        await webhooks.close()
    taken = [each for each in found if each.was_taken]
    for stream in (ONE, OTHER, mine.application):
        assert [each.id for each in taken if each.id.startswith(stream)] == [f"{stream}_1", f"{stream}_2"]
    statuses = [each.event["body"]["status"] for each in taken if each.id.startswith(ONE)]
    assert statuses == ["ringing", "answered"]


async def test_a_leg_that_is_over_leaves_nothing_behind(house: House) -> None:
    await happen(house, created(house), status(house, ONE))
    await happen(house, status(house, OTHER), now=BEGUN + DAY)
    await take_all(house)
    await upkeep(house, BEGUN + KEPT_SECONDS)
    assert await rows(house) == {"counters": 3, "lanes": 3, "stream_events": 0}
    await upkeep(house, BEGUN + KEPT_SECONDS + 1)
    await happen(house, created(house), status(house, OTHER), now=BEGUN + KEPT_SECONDS)
    assert await told(house) == {house.application: [f"{house.application}_2"], OTHER: [f"{OTHER}_2"]}
    await take_all(house)
    await upkeep(house, BEGUN + 2 * KEPT_SECONDS + 1)
    assert await rows(house) == {"counters": 1, "lanes": 1, "stream_events": 0}


async def test_ids_of_a_leg_stay_taken_while_an_event_of_it_waits(house: House) -> None:
    await happen(house, status(house, ONE))
    await upkeep(house, NOW)
    await happen(house, status(house, ONE))
    assert await told(house) == {ONE: [f"{ONE}_1", f"{ONE}_2"]}


@pytest.mark.parametrize("again", [False, True])
async def test_ids_of_a_leg_stay_taken_while_one_that_was_put_aside_may_be_sent_again(
    house: House, again: bool
) -> None:
    await happen(house, status(house, ONE))
    await take_all(house)
    known_by, late = f"{ONE}_1", BEGUN + KEPT_SECONDS
    letter = DeadLetter(
        endpoint_id=house.application, webhook_id=known_by, stream=ONE, event_type="x", at=late, reason="", attempts=5
    )
    if again:
        replay = partial(add_replay, stream="replay:1", again=[Again(known_by, b"{}")], now=late)
        place = {"endpoint_id": house.application, "application_id": house.application}
        await house.log.transact(lambda connection: replay(connection, **place))
    else:
        await house.log.transact(lambda connection: keep_dead_letters(connection, [letter]))
    await take_all(house)
    await upkeep(house, late + KEPT_SECONDS)
    assert (await rows(house))["counters"] == 1
    await upkeep(house, late + KEPT_SECONDS + 1)
    assert await rows(house) == {"counters": 0, "lanes": 0, "stream_events": 0}


async def test_the_stream_of_an_older_database_goes_on_and_belongs_to_its_application(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        bring_to(connection, "0004")
        connection.execute(text("INSERT INTO counters (name, value) VALUES ('stream:app', 7), ('else', 1)"))
        bring_to(connection, "head")
        found = connection.execute(select(counters).order_by(counters.c.value)).all()
    engine.dispose()
    assert [tuple(each) for each in found] == [("else", 1, None, None), ("stream:app", 7, "app", None)]


async def test_nothing_stays_of_the_streams_of_a_deleted_application(house: House) -> None:
    await happen(house, created(house), *(status(house, f"leg-{each}") for each in range(20)))
    await take_all(house)
    await house.log.transact(partial(delete_application, application_id=house.application))
    removed = []
    while step := await house.log.transact(partial(purge_orphans, limit=7)):
        removed.append(step)
    await Upkeep(house.log).once()
    assert removed == [7, 7, 7]
    assert await rows(house) == {"counters": 0, "lanes": 0, "stream_events": 0}


def _have_come(*known_by: str) -> Callable[[list[Received]], bool]:
    """Whether these were taken."""

    def holds(requests: list[Received]) -> bool:
        return set(known_by) <= {each.id for each in requests if each.was_taken}

    return holds
