"""Appends through ``Log.submit``, without REST and sessions: what the log and its store alone can do.

    python -m bench.appends DATABASE_URL IN_FLIGHT WARM_S SECONDS [PID of the database server]

One conversation takes them all; its members post texts of 400 bytes, each waiting for its commit. Prints one line of
JSON. Run by itself so that it has a process, and a core, of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from typing import Final

import uvloop

from bench.machine import SERVER_CORE, core_busy_s
from bench.process import cpu_s, family
from legato.conversations import Caller, CreateConversation, JoinMember, PostEvent
from legato.conversations.user import User
from legato.events.ids import RandomIds
from legato.log import Log
from legato.store import Store
from legato.store.users import insert_user

APPLICATION: Final = "00000000-0000-4000-8000-000000000001"
MEMBERS: Final = 64
# With the envelope that a client posts it in ({"type","from","body"}), 400 bytes.
TEXT: Final = "x" * 305


async def measure(url: str, in_flight: int, warm_s: float, seconds: float, database: int | None) -> dict[str, float]:
    """Appends per second over ``seconds`` after ``warm_s``, and the CPU time this process took for them."""
    store = Store(url)
    await store.open()
    log = Log(store)
    await log.start()
    commands = await _commands(log)
    done = 0
    running = True

    async def poster(command: PostEvent) -> None:
        nonlocal done
        while running:
            await log.submit(command)
            done += 1

    posters = [asyncio.create_task(poster(commands[i % MEMBERS])) for i in range(in_flight)]
    await asyncio.sleep(warm_s)
    before = _clocks(done, database)
    await asyncio.sleep(seconds)
    after = _clocks(done, database)
    measured = {name: after[name] - before[name] for name in after}
    running = False
    await asyncio.gather(*posters)
    head = (await log.conversation(commands[0].conversation_id, APPLICATION)).sequence
    await log.close()
    await store.close()
    # Every append that was answered has its number: joins first, then texts, without a gap.
    assert head == MEMBERS + done, f"{done} appends were answered, the log ends at {head}"
    return measured


def _clocks(appends: int, database: int | None) -> dict[str, float]:
    return {
        "appends": appends,
        "seconds": time.perf_counter(),
        "server_cpu_s": time.process_time(),
        "client_cpu_s": cpu_s(family(database)) if database else 0.0,
        "core0_s": core_busy_s(SERVER_CORE),
    }


async def _commands(log: Log) -> list[PostEvent]:
    """A text from each member of a new conversation."""
    ids = RandomIds()
    conversation_id = f"CON-{ids.uuid()}"
    application = Caller(APPLICATION)
    commands = []
    await log.submit(CreateConversation(conversation_id=conversation_id, by=application, name=conversation_id))
    for number in range(MEMBERS):
        user = User(
            id=f"USR-{ids.uuid()}",
            application_id=APPLICATION,
            name=f"user{number}",
            display_name=f"User {number}",
            created_at=0,
        )
        await log.transact(partial(insert_user, user=user))
        person = user.person
        member_id = f"MEM-{ids.uuid()}"
        join = JoinMember(
            conversation_id=conversation_id,
            by=application,
            member_id=member_id,
            user=person,
            channel={"type": "app"},
        )
        await log.submit(join)
        text = PostEvent(
            conversation_id=conversation_id,
            by=Caller(APPLICATION, person),
            type="text",
            body={"text": TEXT},
            from_=member_id,
        )
        commands.append(text)
    return commands


if __name__ == "__main__":
    url, in_flight, warm_s, seconds, *pid = sys.argv[1:]
    measured = measure(url, int(in_flight), float(warm_s), float(seconds), int(pid[0]) if pid else None)
    print(json.dumps(uvloop.run(measured)))
