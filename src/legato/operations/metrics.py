"""Every metric, in the text format of Prometheus.

The rooms count in plain integers, once for each request or commit; here they are read when somebody asks. Nothing is
done for a delivery, and no label has more values than are written in this file.

``docs/operating.md`` lists them all, and a test compares the two.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from legato import __version__
from legato.api import Admission
from legato.api.tally import Tally
from legato.bus import Nodes
from legato.log import COMMIT_BOUNDS, Log
from legato.operations.probe import Probe
from legato.sessions import Sessions
from legato.store.endpoints import count_endpoints
from legato.store.replays import events_waiting
from legato.store.size import database_bytes
from legato.webhooks import Webhooks

# What every Prometheus reads, whatever its version.
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
# What the database is asked for is left out when it takes longer to find out.
ASK_SECONDS: Final = 2.0
# 1xx is never the answer.
_CLASSES: Final = range(2, 6)


class Metrics:
    """The metrics of one server."""

    def __init__(
        self,
        log: Log,
        sessions: Sessions,
        webhooks: Webhooks,
        tally: Tally,
        admission: Admission,
        nodes: Nodes | None = None,
    ) -> None:
        self._size = Probe(log, database_bytes, ASK_SECONDS)
        self._endpoints = Probe(log, count_endpoints, ASK_SECONDS)
        self._waiting = Probe(log, events_waiting, ASK_SECONDS)
        self._figures = _Figures(log, sessions, webhooks, tally, admission, nodes)
        self._registry = CollectorRegistry()
        self._registry.register(self._figures)
        ProcessCollector(registry=self._registry)

    async def text(self) -> bytes:
        """All of them as they stand; what cannot be found out is left out."""
        # `/health/ready` says what is wrong with the database; everything else is still told.
        size, endpoints, waiting = await asyncio.gather(
            self._size.ask(), self._endpoints.ask(), self._waiting.ask(), return_exceptions=True
        )
        self._figures.database_bytes = size if isinstance(size, int) else None
        self._figures.endpoints = endpoints if isinstance(endpoints, dict) else {}
        self._figures.events_waiting = waiting if isinstance(waiting, int) else None
        # In a thread: counting open files takes 10 ms where there are 20,000, and the event loop has better to do.
        return await asyncio.to_thread(generate_latest, self._registry)


class _Figures(Collector):
    """Reads what the rooms have counted. In a thread: it reads integers, and dictionaries that keep their keys."""

    def __init__(
        self,
        log: Log,
        sessions: Sessions,
        webhooks: Webhooks,
        tally: Tally,
        admission: Admission,
        nodes: Nodes | None,
    ) -> None:
        self._log = log
        self._nodes = nodes
        self._sessions = sessions
        self._webhooks = webhooks
        self._tally = tally
        self._admission = admission
        self.database_bytes: int | None = None
        self.endpoints: dict[str, int] = {}
        self.events_waiting: int | None = None

    def collect(self) -> Iterator[Metric]:
        """See ``Collector``."""
        yield from self._of_the_server()
        yield from self._of_the_log()
        yield from self._of_the_nodes()
        yield from self._of_the_sessions()
        yield from self._of_the_webhooks()
        yield from self._of_the_api()

    def _of_the_server(self) -> Iterator[Metric]:
        store = "sqlite" if self._log.store.is_sqlite else "postgresql"
        versions = {"version": __version__, "python": platform.python_version(), "store": store}
        yield InfoMetricFamily("legato_build", "What runs: the versions of Legato and Python, and the store.", versions)
        if self.database_bytes is not None:
            yield GaugeMetricFamily(
                "legato_database_bytes",
                "What the database takes on the disk, uploaded files apart.",
                self.database_bytes,
            )

    def _of_the_log(self) -> Iterator[Metric]:
        counts = self._log.counts
        yield CounterMetricFamily("legato_events_appended", "Events appended to logs, durable.", counts.events)
        yield CounterMetricFamily("legato_batches_committed", "Batches committed to the database.", counts.batches)
        yield CounterMetricFamily(
            "legato_batches_failed",
            "Batches that the database did not take; their callers got an error.",
            counts.batches_failed,
        )
        bounds = [*(str(bound) for bound in COMMIT_BOUNDS), "+Inf"]
        yield HistogramMetricFamily(
            "legato_commit_seconds",
            "How long the database took to commit a batch.",
            list(zip(bounds, accumulate(counts.commits), strict=True)),
            counts.commit_seconds,
        )
        yield CounterMetricFamily(
            "legato_commands_refused", "Commands that the rules of a conversation did not allow.", counts.refused
        )
        yield GaugeMetricFamily("legato_queue_depth", "Requests that wait for the writer now.", self._log.queued)
        yield GaugeMetricFamily("legato_queue_bound", "How many may: the setting queue_bound.", self._log.queue_bound)
        yield CounterMetricFamily(
            "legato_queue_full", "Requests refused because the queue was full.", counts.turned_away
        )

    def _of_the_nodes(self) -> Iterator[Metric]:
        counts, bus, nodes = self._log.counts, self._log.bus, self._nodes
        alive = 1 if nodes is None else 1 + nodes.others
        yield GaugeMetricFamily("legato_nodes_alive", "Servers on this database, this one included.", alive)
        yield CounterMetricFamily(
            "legato_nodes_buried",
            "Servers that this one found dead, and freed what they had.",
            0 if nodes is None else nodes.buried,
        )
        yield GaugeMetricFamily(
            "legato_bus_connected",
            "Whether other servers can be told at once (1) or hear within a second or two (0).",
            int(bus.is_connected),
        )
        messages = CounterMetricFamily(
            "legato_bus_messages", "Messages between servers, by what became of them.", labels=["outcome"]
        )
        for outcome, count in (("sent", bus.sent), ("received", bus.received), ("dropped", bus.dropped)):
            messages.add_metric([outcome], count)
        yield messages
        yield CounterMetricFamily(
            "legato_events_followed", "Events that other servers appended and this one passed on.", counts.followed
        )
        yield CounterMetricFamily(
            "legato_log_readings",
            "Times that what other servers appended had to be read, because the bus had not said all of it.",
            counts.looked,
        )
        yield CounterMetricFamily(
            "legato_batches_decided_again",
            "Batches that were decided once more because another server had written meanwhile.",
            counts.decided_again,
        )

    def _of_the_sessions(self) -> Iterator[Metric]:
        figures = self._sessions.figures()
        yield GaugeMetricFamily(
            "legato_sessions_connected", "Client sessions that are connected now.", figures.connected
        )
        yield GaugeMetricFamily("legato_sockets_open", "Sockets that are open now, logged in or not.", figures.sockets)
        yield GaugeMetricFamily(
            "legato_sockets_bound", "How many may be: the setting max_sockets.", figures.max_sockets
        )
        yield CounterMetricFamily(
            "legato_sockets_cut_slow", "Sockets cut because their clients did not read.", figures.cut_slow
        )
        resumes = CounterMetricFamily(
            "legato_resumes",
            "Sessions that came back and were sent what they missed, by where that was found.",
            labels=["source"],
        )
        resumes.add_metric(["memory"], figures.resumed_from_memory)
        resumes.add_metric(["log"], figures.resumed_from_log)
        yield resumes
        logins = CounterMetricFamily(
            "legato_logins", "Logins of client sessions, by how they ended.", labels=["outcome"]
        )
        logins.add_metric(["admitted"], figures.logins_admitted)
        logins.add_metric(["refused"], figures.logins_refused)
        yield logins

    def _of_the_webhooks(self) -> Iterator[Metric]:
        dispatcher = self._webhooks.dispatcher
        if self.endpoints:
            many = GaugeMetricFamily(
                "legato_webhook_endpoints",
                "Endpoints, the same at every server; a failing one is active and took nothing at last.",
                labels=["state"],
            )
            for state, count in self.endpoints.items():
                many.add_metric([state], count)
            yield many
        if self.events_waiting is not None:
            yield GaugeMetricFamily(
                "legato_webhook_events_waiting",
                "Events that endpoints are still to get, the same at every server; disabled ones get none.",
                self.events_waiting,
            )
        yield CounterMetricFamily("legato_webhooks_delivered", "Events that endpoints took.", dispatcher.delivered)
        yield CounterMetricFamily(
            "legato_webhook_attempts_failed", "Requests to endpoints that did not deliver.", dispatcher.failed
        )
        yield CounterMetricFamily(
            "legato_webhook_dead_letters", "Events that were given up for an endpoint.", dispatcher.dead
        )
        yield GaugeMetricFamily(
            "legato_webhook_lanes_working",
            "Streams of events that are being sent to endpoints now.",
            dispatcher.working,
        )
        signals = CounterMetricFamily(
            "legato_webhook_signals",
            "Typing and ephemeral events for endpoints, sent once: taken, not taken, or not sent because of too many.",
            labels=["outcome"],
        )
        counted = self._webhooks.signals
        for outcome, count in (
            ("delivered", counted.delivered),
            ("failed", counted.failed),
            ("dropped", counted.dropped),
        ):
            signals.add_metric([outcome], count)
        yield signals
        tests = CounterMetricFamily(
            "legato_webhook_tests", "Examples that were sent to endpoints on request.", labels=["outcome"]
        )
        tests.add_metric(["delivered"], self._webhooks.tests_delivered)
        tests.add_metric(["failed"], self._webhooks.tests_failed)
        yield tests

    def _of_the_api(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "legato_rest_requests",
            "REST requests answered, by generation of the API and class of status.",
            labels=["generation", "status"],
        )
        seconds = SummaryMetricFamily(
            "legato_rest_request_seconds",
            "How long REST requests took, from their head to an answer ready to be sent.",
            labels=["generation"],
        )
        for generation, answered in self._tally.generations.items():
            for first_digit in _CLASSES:
                requests.add_metric([generation, f"{first_digit}xx"], answered.by_class[first_digit])
            seconds.add_metric([generation], sum(answered.by_class), answered.seconds)
        yield requests
        yield seconds
        limited = CounterMetricFamily(
            "legato_rate_limited",
            "Requests answered with 429 because their address, user or application made too many.",
            labels=["limit"],
        )
        limited.add_metric(["address"], self._admission.turned_away)
        limited.add_metric(["user"], self._admission.users.refused)
        limited.add_metric(["application"], self._admission.applications.refused)
        yield limited
