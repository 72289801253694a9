"""A small chat on python-socketio and aiosqlite, as one would write it: the token is checked at connect, a text is
committed (synchronous=FULL) before its answer and before its fan-out.

Usage: python_socketio_chat.py PORT PUBLIC_KEY_FILE DATABASE_FILE [REDIS_URL]

With Redis it is one of several nodes, which share the rooms but not the database: what a second one adds is measured.
"""

import itertools
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiosqlite
import jwt
import socketio
import uvicorn

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    room TEXT NOT NULL, id INTEGER NOT NULL, type TEXT NOT NULL, sender TEXT NOT NULL, body TEXT NOT NULL,
    created TEXT NOT NULL, PRIMARY KEY (room, id)
) WITHOUT ROWID
"""

port, public_key, database_path = int(sys.argv[1]), Path(sys.argv[2]).read_text(), sys.argv[3]
manager = socketio.AsyncRedisManager(sys.argv[4]) if len(sys.argv) > 4 else None
server = socketio.AsyncServer(
    async_mode="asgi", cors_allowed_origins="*", transports=["websocket"], client_manager=manager
)
sequences: "defaultdict[str, itertools.count[int]]" = defaultdict(lambda: itertools.count(1))
database: aiosqlite.Connection


@asynccontextmanager
async def opened_database() -> AsyncIterator[None]:
    global database
    async with aiosqlite.connect(database_path) as database:
        await database.execute("PRAGMA journal_mode=WAL")
        await database.execute("PRAGMA synchronous=FULL")
        await database.execute(SCHEMA)
        yield


@server.event
async def connect(sid: str, environ: dict[str, Any]) -> None:
    token = parse_qs(environ["QUERY_STRING"])["token"][0]
    try:
        claims = jwt.decode(token, public_key, algorithms=["RS256"])
    except jwt.InvalidTokenError as error:
        raise socketio.exceptions.ConnectionRefusedError("invalid token") from error
    await server.save_session(sid, {"user": claims["sub"], "room": claims["room"]})
    await server.enter_room(sid, claims["room"])
    await server.emit("session:success", {"body": {"id": sid, "name": claims["sub"]}}, to=sid)


@server.event
async def text(sid: str, event: dict[str, Any]) -> dict[str, Any]:
    session = await server.get_session(sid)
    room, user = session["room"], session["user"]
    number = next(sequences[room])
    created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = event["body"]
    await database.execute(
        "INSERT INTO events VALUES (?, ?, 'text', ?, ?, ?)", (room, number, user, str(body), created)
    )
    await database.commit()
    envelope = {
        "id": number,
        "cid": room,
        "from": event["from"],
        "timestamp": created,
        "body": body,
        "_embedded": {"from_user": {"id": user, "name": user}, "from_member": {"id": event["from"]}},
    }
    await server.emit("text", envelope, room=room)
    return {"id": number, "timestamp": created}


if __name__ == "__main__":
    application = socketio.ASGIApp(server, socketio_path="/v2/rtc")

    async def with_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        await receive()
        async with opened_database():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    uvicorn.run(
        with_lifespan,
        host="127.0.0.1",
        port=port,
        log_level="error",
        access_log=False,
        backlog=4096,
        loop="uvloop",
        http="httptools",
        ws_per_message_deflate=False,
    )
