"""A stand-in for an OpenTelemetry collector: OTLP over HTTP, and every span it was sent."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from legato.testing.waiting import poll


@dataclass(frozen=True, slots=True)
class Seen:
    """A span. Ids are hexadecimal, ``parent`` empty for the first of a trace; ``links`` are ids of spans."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, Any]
    resource: dict[str, Any]
    begun: int
    ended: int
    is_error: bool


class Collector:
    """A collector on a free port: ``with Collector() as collector``. ``url`` is for OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.bodies: list[bytes] = []  # as they came, unpacked
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                is_right = self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf"
                if is_right:
                    collector._take(body)
                self.send_response(200 if is_right else 400)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def named(self, name: str) -> list[Seen]:
        """The spans of that name."""
        return [span for span in self.spans if span.name == name]

    def until(self, name: str, count: int = 1, seconds: float = 30.0) -> list[Seen]:
        """The spans of that name, once there are ``count``. Raises ConditionError."""
        poll(lambda: len(self.named(name)) >= count, seconds, f"{count} spans named {name}")
        return self.named(name)

    def _take(self, body: bytes) -> None:
        self.bodies.append(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _values(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [_seen(span, resource) for span in scope.spans]

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _seen(span: Any, resource: dict[str, Any]) -> Seen:
    return Seen(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        tuple(link.span_id.hex() for link in span.links),
        _values(span.attributes),
        resource,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == 2,  # STATUS_CODE_ERROR
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
