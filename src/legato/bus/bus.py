"""What every bus does, and the one for a node that is alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from legato.bus.calls import Calls
from legato.bus.messages import Broadcast, Message
from legato.store import Notice


class Bus(Protocol):
    """Tells all nodes of an installation something, at most once, in the order of each sender, or not at all."""

    kind: str  # for people and metrics
    sent: int  # messages, since the start
    received: int
    dropped: int  # because too many waited, or nobody could be told
    calls: Calls  # commands to one node

    @property
    def notice(self) -> Notice | None:
        """How a commit says itself what it has committed; None: it is said after it."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether what is said now is likely to be heard."""
        ...

    def start(self, hear: Callable[[Broadcast], None]) -> None:
        """Connects, now and whenever the connection is lost, and calls ``hear`` with what other nodes say.

        It is called with ``Advanced`` after each connecting too: something may have been missed.
        """
        ...

    def publish(self, message: Message) -> None:
        """Says it as soon as may be; never waits, and never fails."""
        ...

    async def close(self) -> None:
        """Stops."""
        ...


class LocalBus:
    """Nobody is there to be told."""

    kind = "local"
    notice: Notice | None = None
    sent = received = dropped = 0
    is_connected = True

    def __init__(self) -> None:
        self.calls = Calls(lambda _message: False)

    def start(self, hear: Callable[[Broadcast], None]) -> None:
        """Nobody says anything."""

    def publish(self, message: Message) -> None:
        """Nobody hears it."""

    async def close(self) -> None:
        """Nothing is open."""
