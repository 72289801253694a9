"""Traces for OpenTelemetry, when the environment names a collector and the extra is installed.

::

    POST /v1/…/events          SERVER      parent: the caller's traceparent
      └─ submit Post           INTERNAL    from the queue to the answer
           └─ batch            INTERNAL    decided and committed with others, which it links to
    webhook text               CLIENT      one attempt; its traceparent goes with it

The variables are OpenTelemetry's own (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER …), and are
read by its SDK. It is imported here and nowhere else, and only when it is wanted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from legato import __version__, tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan

log = logging.getLogger(__name__)

EXTRA: Final = "pip install 'legato-server[otel]'"
_FLUSH_MS: Final = 3_000  # what is left when the server stops; a collector that is away is not waited for longer
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OURS: Final = "http/protobuf"


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for traces: it names a collector, and does not say that it means something else."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = [one.strip() for one in environment.get("OTEL_TRACES_EXPORTER", "").split(",") if one.strip()]
    if exporters:
        return "otlp" in exporters
    return any(environment.get(name) for name in _ENDPOINTS)


def hindrance(environment: Mapping[str, str]) -> str | None:
    """Why there will be no traces although they are wanted, in a sentence; None when nothing is in the way."""
    from importlib.util import find_spec

    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _OURS)
    if protocol != _OURS:
        return f"traces are sent as {_OURS} only, and the environment asks for {protocol}"
    try:
        found = all(find_spec(name) for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        found = False
    return None if found else f"OpenTelemetry is not installed, and the environment asks for traces: {EXTRA}"


class Traces:
    """Traces of this process, from ``started`` to ``close``."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    @classmethod
    def started(cls, environment: Mapping[str, str]) -> Traces | None:
        """Traces, if they are wanted and can be had; what is in the way is logged, and the server goes on without."""
        if not is_wanted(environment):
            return None
        problem = hindrance(environment)
        if problem is not None:
            log.warning("no traces: %s", problem)
            return None
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        own = Resource({SERVICE_NAME: "legato", SERVICE_VERSION: __version__})
        said = dict(Resource.create().attributes)  # what the environment says wins
        if str(said.get(SERVICE_NAME)).startswith("unknown_service"):
            del said[SERVICE_NAME]
        provider = TracerProvider(resource=own.merge(Resource(said)), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        tracing.tracer = Recorder(provider)
        return cls(provider)

    def close(self) -> None:
        """Sends what is left, as far as somebody takes it soon. Blocks: call it in a thread."""
        tracing.tracer = None
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()


class Recorder:
    """``legato.tracing.Tracer``, by OpenTelemetry."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._api = trace
        self._tracer = provider.get_tracer("legato", __version__)
        self._context = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Recorded]:
        """See ``Tracer``."""
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in headers
            if name in (b"traceparent", b"tracestate")
        }
        parent = self._context.extract(carrier) if carrier else None
        attributes = {"http.request.method": method}
        with self._tracer.start_as_current_span(
            method, parent, self._api.SpanKind.SERVER, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            yield Recorded(span)

    @contextmanager
    def command(self, name: str) -> Iterator[Recorded]:
        """See ``Tracer``."""
        with self._tracer.start_as_current_span(
            f"submit {name}", record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield Recorded(span)
            except BaseException as error:  # the kind of it; its text may quote what was sent
                span.set_attribute("error.type", type(error).__name__)
                raise

    def batch(self, begun: int, commands: Sequence[tracing.Span], size: int) -> None:
        """See ``Tracer``. It is part of its first command; the others are linked, both ways."""
        spans = [one.span for one in commands if isinstance(one, Recorded)]
        if not spans:
            return
        first, others = spans[0], spans[1:]
        span = self._tracer.start_span(
            "batch",
            self._api.set_span_in_context(first),
            attributes={"legato.batch.size": size},
            links=[self._api.Link(other.get_span_context()) for other in others],
            start_time=begun,
        )
        for other in others:
            other.add_link(span.get_span_context())
        span.end(time.time_ns())

    @contextmanager
    def attempt(self, **attributes: str | int) -> Iterator[Recorded]:
        """See ``Tracer``."""
        with self._tracer.start_as_current_span(
            "webhook",
            kind=self._api.SpanKind.CLIENT,
            attributes=_dotted(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield Recorded(span)

    def headers(self) -> Mapping[str, str]:
        """See ``Tracer``: ``traceparent`` alone. What callers said of their own (tracestate, baggage) stays here."""
        carrier: dict[str, str] = {}
        self._context.inject(carrier)
        return {name: value for name, value in carrier.items() if name == "traceparent"}


class Recorded:
    """``legato.tracing.Span``, by OpenTelemetry."""

    __slots__ = ("span",)

    def __init__(self, span: OtelSpan) -> None:
        self.span = span

    def tell(self, **attributes: str | int) -> None:
        """See ``Span``. A status of 5xx, or an ``error_type``, makes it an error; a ``http_route`` gives its name."""
        from opentelemetry.trace import StatusCode

        span = self.span
        span.set_attributes(_dotted(attributes))
        route, status = attributes.get("http_route"), attributes.get("http_response_status_code", 0)
        if route is not None and "method" in attributes:
            span.update_name(f"{attributes['method']} {route}")
        if "error_type" in attributes or (isinstance(status, int) and status >= 500):
            span.set_status(StatusCode.ERROR)


# Names of several words, whose underscores stay.
_NAMES: Final[Mapping[str, str]] = {
    "http_response_status_code": "http.response.status_code",
    "legato_request_id": "legato.request_id",
    "legato_webhook_id": "legato.webhook_id",
}


def _dotted(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES.get(name, name.replace("_", ".")): value for name, value in attributes.items() if name != "method"}
