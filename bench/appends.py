"""Appends through ``Log.submit``, without REST and sessions: what the log and its store alone can do.

    python -m bench.appends DATABASE_URL IN_FLIGHT WARM_S SECONDS

One conversation takes them all; its members post texts of 400 bytes, each waiting for its commit. Prints one line of
JSON. Run by itself so that it has a process, and a core, of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Final

import uvloop

from legato.conversations import Caller, CreateConversation, JoinMember, PostEvent
from legato.events.envelope import Person
from legato.events.ids import RandomIds
from legato.log import Log
from legato.store import Store

APPLICATION: Final = "00000000-0000-4000-8000-000000000001"
MEMBERS: Final = 64
# With the envelope that a client posts it in ({"type","from","body"}), 400 bytes.
TEXT: Final = "x" * 305


async def measure(url: str, in_flight: int, warm_s: float, seconds: float) -> dict[str, float]:
    """Appends per second over ``seconds`` after ``warm_s``, and the CPU time this process took for them."""
    store = Store(url)
    await store.open()
    log = Log(store)
    await log.start()
    conversation_id, people = await _conversation(log)
    commands = [
        PostEvent(conversation_id=conversation_id, by=Caller(APPLICATION, person), type="text", body={"text": TEXT})
        for person in people
    ]
    done = 0
    running = True

    async def poster(command: PostEvent) -> None:
        nonlocal done
        while running:
            await log.submit(command)
            done += 1

    posters = [asyncio.create_task(poster(commands[i % MEMBERS])) for i in range(in_flight)]
    await asyncio.sleep(warm_s)
    before, started, cpu = done, time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    measured = {
        "appends": done - before,
        "seconds": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu,
    }
    running = False
    await asyncio.gather(*posters)
    head = (await log.conversation(conversation_id, APPLICATION)).sequence
    await log.close()
    await store.close()
    # Every append that was answered has its number: joins first, then texts, without a gap.
    assert head == MEMBERS + done, f"{done} appends were answered, the log ends at {head}"
    return measured


async def _conversation(log: Log) -> tuple[str, list[Person]]:
    ids = RandomIds()
    conversation_id = f"CON-{ids.uuid()}"
    application = Caller(APPLICATION)
    await log.submit(CreateConversation(conversation_id=conversation_id, by=application, name=conversation_id))
    people = [Person(f"USR-{ids.uuid()}", f"user{i}", f"User {i}") for i in range(MEMBERS)]
    for person in people:
        await log.submit(
            JoinMember(
                conversation_id=conversation_id,
                by=application,
                member_id=f"MEM-{ids.uuid()}",
                user=person,
                channel={"type": "app"},
            )
        )
    return conversation_id, people


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))))
