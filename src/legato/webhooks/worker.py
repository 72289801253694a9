"""Work on one lane: its events are sent one after the other and judged, until it is through or has to wait."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from legato.events.envelope import Event, decode_event
from legato.events.moment import Clock
from legato.store.attempts import DeadLetter
from legato.store.endpoints import Endpoint, read_endpoint
from legato.store.lanes import is_log
from legato.store.leases import Lease, Page, Progress, Waiting, waiting_events
from legato.webhooks.channel import Channel
from legato.webhooks.leasing import PAGE_EVENTS
from legato.webhooks.ledger import Ledger, Reading
from legato.webhooks.policy import Outcome, Policy, Verdict
from legato.webhooks.sender import Sender, attempt_of

log = logging.getLogger(__name__)

# A lane that goes on without end lets the others of its endpoint have their turn.
TURN_EVENTS: Final = 500


class Worker:
    """Sends what leased lanes have, and counts: ``delivered`` and ``dead`` events, ``failed`` attempts."""

    def __init__(
        self,
        *,
        read: Reading,
        sender: Sender,
        ledger: Ledger,
        clock: Clock,
        policy: Policy,
        chance: Callable[[], float],
        wake_at: Callable[[str, float], None],
    ) -> None:
        """``wake_at`` is told which endpoint something falls due for, and when."""
        self._read = read
        self._sender = sender
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self._chance = chance
        self._wake_at = wake_at
        self.is_closing = False  # no lane begins with another event
        self.delivered = self.failed = self.dead = 0

    async def work(self, channel: Channel, lease: Lease, first: Page | None) -> None:
        """Sends what the lane has, in order, until it is through, has had its turn, or is stopped by a failure.

        ``first`` is what was read with the lease.
        """
        place, page = _Place(lease), first
        try:
            while place.sent < TURN_EVENTS and not self.is_closing:
                if page is None:
                    page = await self._next_page(channel, place)
                if page is None or not await self._send_page(channel, place, page):
                    break
                if place.cursor >= page.head and not channel.has_news:
                    break  # what has come unnoticed is found when the release is written down
                page = None
        except Exception:
            log.exception("a webhook lane of %s was interrupted", lease.endpoint_id)
            self._put_off(place)
        finally:
            self._ledger.move(place.progress(release=True))

    async def _next_page(self, channel: Channel, place: _Place) -> Page | None:
        """What the lane has now; None when it is no longer ours, or the endpoint is no more."""
        lease = place.lease
        channel.has_news = False  # whatever happens from here on may not be in what is read
        channel.readings += 1
        mine, doubts = channel.readings, channel.doubts

        def read(connection: Connection) -> tuple[Endpoint | None, Page | None]:
            return read_endpoint(connection, lease.endpoint_id), waiting_events(
                connection, lease, place.cursor, PAGE_EVENTS
            )

        endpoint, page = await self._read(read)
        if endpoint is None:
            channel.doubt()  # the other runners of it are to see that for themselves
            return None
        if mine > channel.applied:
            channel.applied = mine
            channel.read_again(endpoint)
            channel.is_stale = channel.doubts != doubts
        return page

    async def _send_page(self, channel: Channel, place: _Place, page: Page) -> bool:
        """These events; False when the lane has to wait."""
        for waiting in page.events:
            if channel.is_stale:
                return True  # it is to be read again first
            if self.is_closing or channel.endpoint.state != "active":
                return False
            event = decode_event(waiting.payload) if waiting.payload else None
            if event is not None and channel.endpoint.wants(event.type):
                await self._ledger.room()
                if not await self._send_one(channel, place, waiting, event):
                    return False
            place.done(waiting.id)
            self._ledger.move(place.progress())
        if len(page.events) < PAGE_EVENTS:
            place.cursor = max(place.cursor, page.head)  # what stood further on has been removed
        return True

    async def _send_one(self, channel: Channel, place: _Place, waiting: Waiting, event: Event) -> bool:
        """One attempt; whether the lane goes on to the next event."""
        endpoint, begun = channel.endpoint, self._clock.now()
        sent = await self._sender.send(endpoint, event, waiting.webhook_id)
        place.sent += 1
        now, outcome = self._clock.now(), sent.outcome
        self._ledger.attempted(attempt_of(endpoint.id, waiting.webhook_id, place.lease.stream, event.type, begun, sent))
        failing_since = place.failing_since or begun
        verdict = self._policy.judge(
            outcome,
            attempts=place.attempts + 1,
            failing_since=failing_since,
            succeeded_at=channel.endpoint.succeeded_at,
            now=now,
        )
        if verdict is Verdict.DELIVERED:
            self.delivered += 1
            if not _is_another(channel, endpoint):
                self._tell(channel, channel.succeeded(now))
            return True
        if verdict is Verdict.UNSENT:
            self._put_off(place)
            return False
        self.failed += 1
        if channel.is_stale or _is_another(channel, endpoint):
            return False  # the event is due at once for what the endpoint has become, with nothing against it
        if verdict is Verdict.DEAD:
            self.dead += 1
            if outcome.failure is None:
                self._tell(channel, channel.gave_up(now))
            self._ledger.dead(_letter(endpoint, place, waiting, event, outcome, now))
            return True
        if verdict is Verdict.GONE:
            self._tell(channel, channel.gone())
            log.warning("the endpoint %s is disabled: it answered 410 Gone", endpoint.id)
            return False
        waits = verdict is Verdict.ENDPOINT_WAITS
        self._tell(channel, channel.failed(outcome, begun, now, self._chance(), waits=waits))
        if channel.endpoint.state == "disabled":
            log.warning("the endpoint %s is disabled: %s", endpoint.id, channel.endpoint.why)
        if not waits:
            place.attempts, place.failing_since = place.attempts + 1, failing_since
            place.due_at = now + self._policy.wait(place.attempts, self._chance())
        self._wake_at(endpoint.id, max(place.due_at or 0.0, channel.endpoint.due_at))
        return False

    def _put_off(self, place: _Place) -> None:
        """The event was not sent, and nobody but us is to blame: it does not count as an attempt, but it waits."""
        place.due_at = self._clock.now() + self._policy.wait(1, self._chance())
        self._wake_at(place.lease.endpoint_id, place.due_at)

    def _tell(self, channel: Channel, health: dict[str, object]) -> None:
        if health:
            self._ledger.change(channel.endpoint.id, channel.endpoint.as_of, **health)


def _is_another(channel: Channel, endpoint: Endpoint) -> bool:
    """Whether the endpoint has been changed, and read again, since an attempt began."""
    return channel.endpoint.as_of != endpoint.as_of


class _Place:
    """Where a runner is on its lane."""

    __slots__ = ("attempts", "cursor", "due_at", "failing_since", "lease", "sent")

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.cursor = lease.cursor
        self.attempts = lease.attempts
        self.failing_since = lease.failing_since
        self.due_at: float | None = None
        self.sent = 0

    def done(self, event_id: int) -> None:
        """The event is delivered, given up, or not wanted."""
        self.cursor = event_id
        self.attempts = 0
        self.failing_since = None

    def progress(self, *, release: bool = False) -> Progress:
        """For the ledger."""
        return Progress(
            endpoint_id=self.lease.endpoint_id,
            stream=self.lease.stream,
            cursor=self.cursor,
            attempts=self.attempts,
            failing_since=self.failing_since,
            due_at=self.due_at,
            release=release,
        )


def _letter(
    endpoint: Endpoint, place: _Place, waiting: Waiting, event: Event, outcome: Outcome, now: float
) -> DeadLetter:
    return DeadLetter(
        endpoint_id=endpoint.id,
        webhook_id=waiting.webhook_id,
        stream=place.lease.stream,
        event_type=event.type,
        at=now,
        reason=outcome.told,
        attempts=place.attempts + 1,
        payload=None if is_log(waiting.webhook_id) else waiting.payload,
        status=outcome.status,
    )
