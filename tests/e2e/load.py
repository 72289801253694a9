"""Users who write as fast as they are answered, over crashes, and a ledger of what was acknowledged to them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from legato.testing.postgres import Cluster
from legato.testing.server import Application, Server
from legato.testing.session import Session
from legato.testing.waiting import poll

PATIENCE = 60.0  # seconds for a server that was killed to be back and to have answered everybody
# A day at the most: 200 crashes take their time.
TOKEN_SECONDS = 86_000


@dataclass(slots=True)
class Room:
    """A conversation with its joined users."""

    cid: str
    members: dict[str, str]  # user name → member id

    @classmethod
    def make(cls, server: Server, application: Application, names: list[str]) -> Self:
        """A new conversation that these users, who exist, have joined."""
        admin = application.token()
        made = server.request("POST", "/v1/conversations", {}, token=admin)
        assert made.status == 201, made
        room = cls(made.body["id"], {})
        for name in names:
            body = {"user": {"name": name}, "state": "joined", "channel": {"type": "app"}}
            joined = server.request("POST", f"/v1/conversations/{room.cid}/members", body, token=admin)
            assert joined.status == 201, joined
            room.members[name] = joined.body["id"]
        return room


@dataclass(slots=True)
class Writers:
    """One task for each user and room, posting one text after the other until told to stop."""

    server: Server
    application: Application
    rooms: list[Room]
    label: str = ""  # begins their texts, so that those of several teams differ
    acknowledged: dict[str, dict[int, str]] = field(default_factory=dict)  # cid → id → text
    unanswered: set[str] = field(default_factory=set)  # texts whose answer never came
    refused: list[tuple[int, Any]] = field(default_factory=list)
    turned_away: int = 0  # answered with 503 and told when to try again
    _count: int = 0
    _stopping: bool = False
    _up: asyncio.Event = field(default_factory=asyncio.Event)
    _progress: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._up.set()
        self._tasks = [asyncio.create_task(self._write(room, name)) for room in self.rooms for name in room.members]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stopping = True
        self._up.set()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._tasks)

    async def more(self, count: int) -> None:
        """Returns when ``count`` more texts have been acknowledged."""
        wanted = self._count + count
        async with asyncio.timeout(PATIENCE), self._progress:
            await self._progress.wait_for(lambda: self._count >= wanted or any(task.done() for task in self._tasks))
        for task in self._tasks:
            if task.done():
                task.result()
                raise AssertionError("a writer has ended")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Whoever finds the server gone waits until this is over."""
        self._up.clear()
        yield
        self._up.set()

    async def crash(self) -> None:
        """Kill the server in the middle of it all, and start it again."""
        self._up.clear()
        self.server.kill()
        await asyncio.to_thread(self.server.restart)
        self._up.set()

    async def outage(self, cluster: Cluster) -> None:
        """Kill the database in the middle of it all, and start it again; the server is left to itself."""
        self._up.clear()
        await asyncio.to_thread(cluster.kill)
        await asyncio.to_thread(poll, lambda: self._health() == (200, 503), PATIENCE, "it lives, and is not ready")
        await asyncio.to_thread(cluster.start)
        await asyncio.to_thread(poll, lambda: self._health() == (200, 200), PATIENCE, "it is ready again")
        self._up.set()

    def _health(self) -> tuple[int, int]:
        live, ready = (self.server.request("GET", f"/health/{what}").status for what in ("live", "ready"))
        return live, ready

    async def _write(self, room: Room, name: str) -> None:
        token = self.application.token(name, ttl=TOKEN_SECONDS)
        url = f"{self.server.url}/v1/conversations/{room.cid}/events"
        ledger = self.acknowledged.setdefault(room.cid, {})
        numbers = itertools.count(1)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            while not self._stopping:
                text = f"{self.label}{name} {room.cid} {next(numbers)}"
                try:
                    async with http.post(url, json={"type": "text", "body": {"text": text}}) as reply:
                        answer = await reply.json()
                        if reply.status == 503:  # no database: it may have been kept all the same
                            assert int(reply.headers["retry-after"]) >= 1
                            self.unanswered.add(text)
                            self.turned_away += 1
                            await self._up.wait()
                            continue
                        if reply.status == 201:
                            assert answer["id"] not in ledger, "one id was given to two texts"
                            ledger[answer["id"]] = text
                        else:
                            self.refused.append((reply.status, answer))
                except (aiohttp.ClientError, ConnectionError):
                    self.unanswered.add(text)
                    await self._up.wait()
                    continue
                async with self._progress:
                    self._count += 1
                    self._progress.notify_all()


def check_log(writers: Writers, room: Room) -> list[dict[str, Any]]:
    """The room's log, of which this is true: ids are 1..n, every acknowledged text is there once under the id that
    was answered, and nothing else is there but texts whose answer was lost, at most once.
    """
    log = writers.server.history(writers.application, room.cid)
    assert [event["id"] for event in log] == list(range(1, len(log) + 1))
    texts = {event["id"]: event["body"]["text"] for event in log if event["type"] == "text"}
    acknowledged = writers.acknowledged[room.cid]
    assert {id_: texts.get(id_) for id_ in acknowledged} == acknowledged
    assert not [text for text, times in Counter(texts.values()).items() if times > 1]
    assert set(texts.values()) - set(acknowledged.values()) <= writers.unanswered
    return log


async def check_session(session: Session, room: Room, log: list[dict[str, Any]]) -> None:
    """The session has heard every text of the log once, in order; a ``classic`` one every stored event since its first.

    Waits for the last of them.
    """
    last = max(event["id"] for event in log if event["type"] == "text")
    await session.until(lambda: last in session.stored(room.cid) or None, f"event {last} arrives", PATIENCE)
    heard = session.stored(room.cid)
    assert heard == sorted(set(heard)), f"{session.dialect}: out of order, or twice"
    texts = [event["id"] for event in log if event["type"] == "text"]
    kind = "text" if session.dialect == "classic" else "message"
    assert [h.id for h in session.heard(kind, cid=room.cid)] == texts
    if session.dialect == "classic":
        assert heard == list(range(heard[0], heard[-1] + 1))
