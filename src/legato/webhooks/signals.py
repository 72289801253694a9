"""Webhooks of what is kept nowhere: typing, ephemeral events. Sent once, as soon as may be, and forgotten."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from functools import partial
from typing import Final

from legato.events.envelope import Event
from legato.events.ids import IdSource
from legato.outbound import Reason
from legato.store.endpoints import Endpoint, read_endpoint
from legato.webhooks.ledger import Reading
from legato.webhooks.policy import Outcome
from legato.webhooks.sender import Sender

log = logging.getLogger(__name__)

# Signals that wait to be sent; past it the oldest are dropped. They are worth nothing when they are late.
MAX_WAITING: Final = 1_000
# Requests under way at a time, and to one endpoint: one that is slow holds up a few of these, and no lane.
AT_ONCE: Final = 32
AT_ONCE_EACH: Final = 4
# How long an endpoint, or that there is none, is remembered.
REMEMBERED_SECONDS: Final = 5.0
MAX_REMEMBERED: Final = 10_000


class Signals:
    """Sends each signal to its application's endpoint and its conversation's, if those are well.

    Nothing is written down of it; what came of the requests is counted: ``delivered``, ``failed``, and ``dropped``,
    which were not made, or not to their end.
    """

    def __init__(self, read: Reading, sender: Sender, ids: IdSource) -> None:
        self._read = read
        self._sender = sender
        self._ids = ids
        self._waiting: deque[Event] = deque(maxlen=MAX_WAITING)
        self._bell = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._endpoints: OrderedDict[str, tuple[float, Endpoint | None]] = OrderedDict()
        self._under_way: Counter[str] = Counter()  # requests, by endpoint
        self.delivered = self.failed = self.dropped = 0

    def start(self) -> None:
        """Begins to send."""
        self._workers = [asyncio.create_task(self._work(), name="webhook signals") for _ in range(AT_ONCE)]

    async def close(self) -> None:
        """Stops; what waits is dropped."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def offer(self, event: Event) -> None:
        """A signal has passed."""
        if len(self._waiting) == MAX_WAITING:
            self.dropped += 1
        self._waiting.append(event)
        self._bell.set()

    def forget(self, endpoint_id: str) -> None:
        """The endpoint was changed."""
        self._endpoints.pop(endpoint_id, None)

    def forget_all(self) -> None:
        """Any endpoint may have been changed."""
        self._endpoints.clear()

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._bell.clear()
                await self._bell.wait()
            event = self._waiting.popleft()
            try:
                for owner in (event.application_id, event.conversation_id):
                    endpoint = None if owner is None else await self._endpoint(owner)
                    if endpoint is not None and _is_well(endpoint) and endpoint.wants(event.type):
                        await self._send(endpoint, event)
            except Exception:
                self.dropped += 1
                log.exception("a signal could not be sent")

    async def _send(self, endpoint: Endpoint, event: Event) -> None:
        if self._under_way[endpoint.id] >= AT_ONCE_EACH:
            self.dropped += 1
            return
        self._under_way[endpoint.id] += 1
        try:
            sent = await self._sender.send(endpoint, event, f"SIG-{self._ids.uuid()}")
            self._count(sent.outcome)
        finally:
            self._under_way[endpoint.id] -= 1
            if not self._under_way[endpoint.id]:
                del self._under_way[endpoint.id]

    def _count(self, outcome: Outcome) -> None:
        if outcome.is_success:
            self.delivered += 1
        elif outcome.failure is not None and outcome.failure.reason is Reason.BUSY:
            self.dropped += 1  # this server had no connection free: the endpoint was not asked
        else:
            self.failed += 1

    async def _endpoint(self, owner: str) -> Endpoint | None:
        now = asyncio.get_running_loop().time()
        known = self._endpoints.get(owner)
        if known is not None and now - known[0] < REMEMBERED_SECONDS:
            return known[1]
        found = await self._read(partial(read_endpoint, endpoint_id=owner))
        self._endpoints[owner] = (now, found)
        self._endpoints.move_to_end(owner)
        while len(self._endpoints) > MAX_REMEMBERED:
            self._endpoints.popitem(last=False)
        return found


def _is_well(endpoint: Endpoint) -> bool:
    return endpoint.state == "active" and endpoint.failing_since is None
