"""The room, wired: what the application starts, taps the log with, and stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from legato.events.envelope import Event
from legato.events.ids import IdSource
from legato.events.moment import Clock
from legato.outbound import Outbound
from legato.store.attempts import Attempt
from legato.store.endpoints import Endpoint
from legato.store.leases import Progress
from legato.webhooks.dispatcher import Dispatcher
from legato.webhooks.ledger import Reading, Writing
from legato.webhooks.listeners import Listener, Listeners, Told
from legato.webhooks.policy import Policy
from legato.webhooks.sender import Sender, attempt_of
from legato.webhooks.signals import Signals
from legato.webhooks.signing import Signer


class Webhooks:
    """Everything that is posted to applications."""

    def __init__(
        self,
        *,
        read: Reading,
        write: Writing,
        outbound: Outbound,
        signer: Signer,
        clock: Clock,
        ids: IdSource,
        policy: Policy | None = None,
        steady: Callable[[], float] = time.monotonic,
        node: str | None = None,
    ) -> None:
        """``read`` and ``write`` are the log's ``read`` and ``transact``; ``node`` names this process in leases."""
        self.sender = Sender(outbound, signer, clock, steady)
        self.dispatcher = Dispatcher(
            node=node or ids.uuid(), read=read, write=write, sender=self.sender, clock=clock, policy=policy
        )
        self.signals = Signals(read, self.sender, ids)
        self.listeners = Listeners(self.sender, clock, ids)
        self.tests_delivered = self.tests_failed = 0
        self._outbound = outbound
        self._clock = clock
        self._ids = ids

    async def start(self) -> None:
        """Begins to send."""
        await self.dispatcher.start()
        self.signals.start()

    async def begin_anew(self) -> None:
        """This node was taken for dead, and others send what it was to send."""
        await self.dispatcher.begin_anew()

    def begin_to_stop(self) -> None:
        """Ends the listeners: a server that stops would wait for them."""
        self.listeners.close()

    async def close(self) -> None:
        """Stops sending; what is under way is waited for a little. The log must still be running."""
        await self.signals.close()
        await self.dispatcher.close()
        await self._outbound.close()

    def hear(self, told: Sequence[Told]) -> None:
        """The log's tap: whose lanes have moved, signals that pass, and all of it for whoever listens.

        What another node has committed that node sends, if it can; if not, its lanes are found before long.
        """
        moved: set[str] = set()
        for each in told:
            event = each.event
            if each.is_remote:
                continue
            if event.id is not None and event.conversation_id is not None:
                moved.update((event.application_id, event.conversation_id))
            elif event.conversation_id is None:
                moved.add(event.application_id)
            elif each.entry.best_effort:
                self.signals.offer(event)
        if moved:
            self.dispatcher.heard(moved)
        if self.listeners:
            self.listeners.hear(told)

    def watch(self, listener: Callable[[Sequence[Progress]], None]) -> None:
        """From now on ``listener`` is called with how far lanes have come, after each commit of it."""
        self.dispatcher.watch(listener)

    async def try_out(self, endpoint: Endpoint, event: Event) -> Attempt:
        """One attempt outside of every lane, whatever state the endpoint is in. It changes nothing, and is counted."""
        known_by, begun = f"TST-{self._ids.uuid()}", self._clock.now()
        sent = await self.sender.send(endpoint, event, known_by)
        if sent.outcome.is_success:
            self.tests_delivered += 1
        else:
            self.tests_failed += 1
        return attempt_of(endpoint.id, known_by, known_by, event.type, begun, sent)

    def listen(self, application_id: str, until: float) -> Listener:
        """Somebody hears the application's events from now on. Raises Overloaded."""
        return self.listeners.open(application_id, until)

    def application_changed(self, application_id: str) -> None:
        """An application was made, changed or deleted, and its endpoints perhaps with it."""
        self.changed(application_id)
        self.dispatcher.doubt_all(application_id)

    def changed(self, endpoint_id: str) -> None:
        """An endpoint was made, changed, paused, resumed or removed."""
        self.signals.forget(endpoint_id)
        self.dispatcher.changed(endpoint_id)

    def lost_track(self) -> None:
        """Nobody can tell what was missed: endpoints are read again, and whoever listens has to begin anew."""
        self.signals.forget_all()
        self.dispatcher.doubt_all()
        self.listeners.end_all("this server has lost its place; listen again")
