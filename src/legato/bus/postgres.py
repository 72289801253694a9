"""The bus that comes with the database: LISTEN and NOTIFY."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection
from sqlalchemy import make_url

from legato.bus.messages import advanced, appended
from legato.bus.outbox import ConnectedBus
from legato.store.heads import Heads

CHANNEL: Final = "legato"
# PostgreSQL's documentation, NOTIFY: shorter than 8000 bytes. What is longer is a row, and its id is said.
MAX_NOTICE: Final = 7_900
# How long such a row is kept; whoever is there reads it at once.
ROW_SECONDS: Final = 60
ROW: Final = "row "
# A machine that went without a word is noticed after some 10 s.
KEEPALIVE: Final[dict[str, Any]] = {"keepalives_idle": 4, "keepalives_interval": 2, "keepalives_count": 3}


class PostgresBus(ConnectedBus):
    """Two connections: one listens, one speaks. Commits speak for themselves (``notice``)."""

    kind = "postgresql"
    longest = MAX_NOTICE

    def __init__(self, url: str, node: str) -> None:
        super().__init__(node)
        self._address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    def notice(self, after: Heads, payloads: Sequence[bytes]) -> tuple[str, str]:
        """The events themselves if they fit; in the writer's thread."""
        if sum(map(len, payloads)) < MAX_NOTICE:
            text = appended(self.node, after, payloads)
            if len(text.encode()) <= MAX_NOTICE:
                return CHANNEL, text
        return CHANNEL, advanced(self.node, after.commit + len(payloads))

    async def _converse(self) -> None:
        async with await self._connect() as listening, await self._connect() as speaking:
            await listening.execute(f"LISTEN {CHANNEL}")
            self._connected()
            async with asyncio.TaskGroup() as both:
                both.create_task(self._listen(listening, speaking))
                both.create_task(self._speak(speaking))

    async def _connect(self) -> AsyncConnection[Any]:
        return await AsyncConnection.connect(self._address, autocommit=True, connect_timeout=5, **KEEPALIVE)

    async def _listen(self, listening: AsyncConnection[Any], speaking: AsyncConnection[Any]) -> None:
        async for notice in listening.notifies():
            if not notice.payload.startswith(ROW):
                self._take(notice.payload)
            elif (text := await self._row(speaking, notice.payload.removeprefix(ROW))) is not None:
                self._take(text)
        raise ConnectionError

    async def _row(self, speaking: AsyncConnection[Any], key: str) -> str | None:
        node, _, row_id = key.partition(" ")
        if node == self.node:
            return None
        found = await (await speaking.execute("SELECT payload FROM bus_messages WHERE id = %s", (row_id,))).fetchone()
        return None if found is None else str(found[0])

    async def _speak(self, speaking: AsyncConnection[Any]) -> None:
        while True:
            for text in await self._next():
                await self._say(speaking, text)

    async def _say(self, speaking: AsyncConnection[Any], text: str) -> None:
        if len(text.encode()) > MAX_NOTICE:
            row_id = str(uuid.uuid4())
            await speaking.execute(_KEEP, {"id": row_id, "payload": text, "seconds": ROW_SECONDS})
            text = f"{ROW}{self.node} {row_id}"
        await speaking.execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))


_KEEP: Final = (
    "WITH old AS (DELETE FROM bus_messages "
    "WHERE created_at < EXTRACT(EPOCH FROM clock_timestamp()) - %(seconds)s) "
    "INSERT INTO bus_messages (id, payload, created_at) "
    "VALUES (%(id)s, %(payload)s, EXTRACT(EPOCH FROM clock_timestamp()))"
)
