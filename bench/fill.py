"""Fills a conversation's log through ``Log.submit``.

    python -m bench.fill DATABASE_URL APPLICATION_ID CONVERSATION_ID USER_ID USER_NAME COUNT

The server that has the database must not run meanwhile.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import uvloop

from legato.conversations import Caller, PostEvent
from legato.events.envelope import Person
from legato.log import Log
from legato.store import Store

IN_FLIGHT: Final = 256
TEXT: Final = "x" * 305  # 400 bytes with the envelope that a client posts it in


async def fill(url: str, caller: Caller, conversation_id: str, count: int) -> None:
    """Appends ``count`` texts by one member."""
    store = Store(url)
    await store.open()
    log = Log(store)
    await log.start()
    command = PostEvent(conversation_id=conversation_id, by=caller, type="text", body={"text": TEXT})
    left = count

    async def poster() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await log.submit(command)

    await asyncio.gather(*(poster() for _ in range(min(IN_FLIGHT, count))))
    await log.close()
    await store.close()


if __name__ == "__main__":
    url, application_id, conversation_id, user_id, user_name, count = sys.argv[1:]
    uvloop.run(fill(url, Caller(application_id, Person(user_id, user_name)), conversation_id, int(count)))
