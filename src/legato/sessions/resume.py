"""Catching up: a session that comes back is sent what it missed, then goes live without a gap or a repeat.

::

    cursor ────── floor ─────────────── head        commit numbers
      │   from the log   │  from the ring   │  live
      └──── pages ──────▶└──── pages ──────▶└── the session is told every batch

The step from the ring to live happens within one turn of the event loop, in which no batch can come. Until then batches
pass the session by: it reads them from the ring or the log like everything else. So nothing is held back for it but
signals, and a session that is far behind costs a page of memory, however far.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from legato.conversations import Deletions, after_deletions
from legato.dialects import Dialect
from legato.events import CATALOGUE, Audience, decode_event
from legato.log import Log
from legato.sessions.fanout import Render, frame_of
from legato.sessions.ring import Ring
from legato.sessions.session import Pace, Session
from legato.store.resume import LogRow, Missed, Want, missed_by

log = logging.getLogger(__name__)

# Sessions whose tails are read together. One reading connection is busy for some 50 ms with them.
READ_TOGETHER: Final = 256
# Events read of one conversation at a time: a client that was away for an hour gets them in one go.
PAGE_EVENTS: Final = 500
# What is written ahead of a client that catches up; more than a socket buffers by itself, far less than gets it cut.
PAGE_BYTES: Final = 256 * 1024
# Rendered frames that are kept for the other members who come back: 100 conversations' missed events.
KEPT_FRAMES: Final = 8192


class CatchUp:
    """Brings sessions from where they were to live."""

    def __init__(self, log: Log, ring: Ring, render: Render, go_live: Callable[[Session], None]) -> None:
        self._log = log
        self._ring = ring
        self._render = render
        self._go_live = go_live
        self._waiting: list[Session] = []  # for the log to be read
        self._asked: set[Session] = set()  # those, and those for whom it is being read
        self._parked: set[Session] = set()  # for their clients to read
        self._frames: OrderedDict[tuple[int, Dialect], bytes] = OrderedDict()
        self._deleted: dict[tuple[str, int], str] = {}  # since the log was last read, which may have come too early
        self._ahead: set[Session] = set()  # of what this node has followed
        self._reader: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None

    def begin(self, session: Session, after: int) -> None:
        """Sends ``session`` what it missed since commit ``after``. If that is little, before this returns.

        A client that another node has told more than this one knows yet waits until this one knows it too.
        """
        session.cursor = after
        if after <= self._ring.head:
            self.proceed(session)
        else:
            self._ahead.add(session)
            if self._following is None:
                self._following = asyncio.create_task(self._follow(), name="sessions ahead")

    def proceed(self, session: Session) -> None:
        """The next step of ``session``; nothing when it is not catching up."""
        self._parked.discard(session)
        if session.pace is not Pace.CATCHING_UP or session in self._asked or session in self._ahead:
            return
        if session.connection.transport.buffered() > PAGE_BYTES:
            self._parked.add(session)
        elif session.cursor >= self._ring.floor:
            self._send_ring(session)
        else:
            self._waiting.append(session)
            self._asked.add(session)
            if self._reader is None:
                self._reader = asyncio.create_task(self._read(), name="sessions catch up")

    def wake(self) -> None:
        """Looks at the clients that were too slow for their pages. To be called now and then."""
        for session in list(self._parked):
            self.proceed(session)

    def silence(self, deletions: Deletions) -> None:
        """What was deleted is sent to nobody any more, though it was read or rendered before."""
        self._frames.clear()
        if self._reader is not None:
            self._deleted.update(deletions)

    async def close(self) -> None:
        """Stops reading."""
        tasks = [task for task in (self._reader, self._following) if task is not None]
        self._reader = self._following = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        while self._ahead:
            sessions = list(self._ahead)
            try:
                await self._log.others.follow()
            except Exception:  # the database does not answer; these clients have to try again
                log.exception("where %d sessions have been could not be found", len(sessions))
                for session in sessions:
                    session.connection.cut("where it has been could not be found")
            self._ahead.difference_update(sessions)
            for session in sessions:
                session.cursor = min(session.cursor, self._ring.head)  # further than any node has been it cannot be
                self.proceed(session)
        self._following = None

    def _send_ring(self, session: Session) -> None:
        missed = self._ring.missed(session.user_id, session.cursor)
        page = _Page()
        for one in missed[:PAGE_EVENTS]:
            page.add(one.frame(session.dialect, self._render), one.commit or 0)
            if page.is_full:
                break
        page.send(session)
        if page.count == len(missed):
            session.cursor = self._ring.head
            self._go_live(session)
        else:
            self._later(session)

    def _later(self, session: Session) -> None:
        """Goes on when the event loop has had the chance to send what was written."""
        asyncio.get_running_loop().call_soon(self.proceed, session)

    async def _read(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:READ_TOGETHER], self._waiting[READ_TOGETHER:]
            self._deleted.clear()
            wants = [Want(session.application_id, session.user_id, session.cursor) for session in batch]
            try:
                pages = await self._read_log(wants, self._ring.head)
            except Exception:  # whatever the database says, these clients have to try again
                log.exception("what %d sessions missed could not be read", len(batch))
                for session in batch:
                    session.connection.cut("what it missed could not be read")
                continue
            finally:
                self._asked.difference_update(batch)
            for session, missed in zip(batch, pages, strict=True):
                if session.pace is Pace.CATCHING_UP:
                    self._send_log(session, missed)
        self._reader = None

    async def _read_log(self, wants: Sequence[Want], head: int) -> list[Missed]:
        return await self._log.read(lambda connection: missed_by(connection, wants, head=head, limit=PAGE_EVENTS))

    def _send_log(self, session: Session, missed: Missed) -> None:
        page = _Page()
        for row in missed.rows:
            page.add(self._frame(row, session), row.commit)
            if page.is_full:
                break
        page.send(session)
        if page.count == len(missed.rows):
            session.cursor = missed.up_to
        self._later(session)

    def _frame(self, row: LogRow, session: Session) -> bytes:
        key = (row.commit, session.dialect)
        frame = self._frames.get(key)
        if frame is not None:
            self._frames.move_to_end(key)
        else:
            frame = self._frames[key] = self._rendered(row, session.dialect)
            if len(self._frames) > KEPT_FRAMES:
                self._frames.popitem(last=False)
        return frame

    def _rendered(self, row: LogRow, dialect: Dialect) -> bytes:
        event = after_deletions(decode_event(row.payload), self._deleted)
        entry = CATALOGUE.get(event.type)
        if entry is None or entry.audience is not Audience.MEMBERS:
            return b""
        return frame_of(event, row.commit, dialect, self._render)


class _Page:
    """Frames to be written at once."""

    __slots__ = ("_frames", "_size", "_up_to", "count")

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._size = 0
        self._up_to = 0
        self.count = 0

    def add(self, frame: bytes, commit: int) -> None:
        self._frames.append(frame)
        self._size += len(frame)
        self._up_to = commit
        self.count += 1

    @property
    def is_full(self) -> bool:
        return self._size > PAGE_BYTES

    def send(self, session: Session) -> None:
        if self.count:
            session.cursor = self._up_to
            session.write(b"".join(self._frames))
