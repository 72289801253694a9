"""What waits to be said: bounded, in order, and sent by one task, over and over again connected.

What nobody could be told is not kept for later: others have read what was committed by then, and signals are worth
nothing late.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final

from legato.bus.calls import Calls
from legato.bus.messages import Advanced, Answered, Appended, Asked, Broadcast, Message, read, written
from legato.store import Notice

log = logging.getLogger(__name__)

# Messages that wait while the bus is slow; the oldest give way.
MAX_WAITING: Final = 4_096
# Of these so many may hold events, a batch each. Of others it is only said that they are there.
MAX_APPENDED: Final = 64
# Between tries to connect: soon at first, for a server that was only restarted.
FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 3.0


class ConnectedBus(ABC):
    """A bus with a connection that may be lost. What differs is ``_converse``."""

    kind = ""
    notice: Notice | None = None
    longest = 0  # bytes of a commit that are said; of a longer one it is said that it is there

    def __init__(self, node: str) -> None:
        self.node = node
        self.sent = self.received = self.dropped = 0
        self.is_connected = False
        self._waiting: deque[Message] = deque()
        self._bell = asyncio.Event()
        self._hear: Callable[[Broadcast], None] = lambda _message: None
        self.calls = Calls(self._send)
        self._task: asyncio.Task[None] | None = None

    def start(self, hear: Callable[[Broadcast], None]) -> None:
        """See ``Bus``."""
        self._hear = hear
        self._task = asyncio.create_task(self._run(), name=f"{self.kind} bus")

    def publish(self, message: Message) -> None:
        """See ``Bus``."""
        if not self.is_connected:
            self.dropped += 1
            return
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        if isinstance(message, Appended) and len(self._waiting) >= MAX_APPENDED:
            message = Advanced(message.commit)
        self._waiting.append(message)
        self._bell.set()

    async def close(self) -> None:
        """See ``Bus``."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.calls.close()

    def _send(self, message: Message) -> bool:
        self.publish(message)
        return self.is_connected

    @abstractmethod
    async def _converse(self) -> None:
        """Connects, calls ``_connected``, then takes and says things until the connection is lost: whatever raises."""

    def _connected(self) -> None:
        self.is_connected = True
        log.info("the %s bus is connected", self.kind)
        self._waiting.clear()
        self.publish(Advanced())
        self._hear(Advanced())

    def _take(self, text: str) -> None:
        try:
            message = read(self.node, text)
        except ValueError as error:  # msgspec's are too
            log.warning("something on the %s bus was not understood: %s", self.kind, error)
            return
        if message is None:
            return
        self.received += 1
        if isinstance(message, Asked | Answered):
            self.calls.hear(message)
        else:
            self._hear(message)

    async def _next(self) -> list[str]:
        """What is to be said now, as text; of heads only the last."""
        while not self._waiting:
            self._bell.clear()
            await self._bell.wait()
        batch, self._waiting = list(self._waiting), deque()
        heads = [place for place, message in enumerate(batch) if isinstance(message, Advanced)]
        stale = set(heads[:-1])
        self.sent += len(batch) - len(stale)
        return [self._written(message) for place, message in enumerate(batch) if place not in stale]

    def _written(self, message: Message) -> str:
        text = written(self.node, message)
        if isinstance(message, Appended) and len(text.encode()) > self.longest:
            return written(self.node, Advanced(message.commit))
        return text

    async def _run(self) -> None:
        patience = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._converse()
            except Exception as error:  # whatever the driver raises: its text may name hosts and users
                if self.is_connected:
                    log.warning("the %s bus is lost (%s); the log is read instead", self.kind, type(error).__name__)
                    patience = FIRST_RETRY_SECONDS
            self.is_connected = False
            await asyncio.sleep(patience)
            patience = min(2 * patience, LAST_RETRY_SECONDS)
