"""Receives the spans of services by OTLP over HTTP, as an OpenTelemetry collector does."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """`parent` is empty for a span that begins its trace."""

    service: str
    trace: str
    id: str
    parent: str
    kind: str
    name: str
    failed: bool
    began: int
    ended: int
    attributes: dict[str, Any]
    links: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.service} {self.name}"


class SpanReceiver:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._lock = threading.Lock()
        self._spans: list[ReceivedSpan] = []

    def add(self, spans: Sequence[ReceivedSpan]) -> None:
        with self._lock:
            self._spans += spans

    def all(self) -> list[ReceivedSpan]:
        with self._lock:
            return list(self._spans)

    def of(self, trace: str) -> list[ReceivedSpan]:
        return [span for span in self.all() if span.trace == trace]

    def by_trace(self) -> dict[str, list[ReceivedSpan]]:
        found: dict[str, list[ReceivedSpan]] = defaultdict(list)
        for span in self.all():
            found[span.trace].append(span)
        return found


def edges(spans: Sequence[ReceivedSpan]) -> set[tuple[str, str]]:
    """Parent and child by service and name; a span without a recorded parent is a child of ``."""
    labels = {span.id: span.label for span in spans}
    return {(labels.get(span.parent, ""), span.label) for span in spans}


def orphans(spans: Sequence[ReceivedSpan], root: str = "") -> list[ReceivedSpan]:
    """Spans whose parent is neither recorded nor `root`, the id of the caller's span."""
    known = {root, *(span.id for span in spans)}
    return [span for span in spans if span.parent not in known]


@contextmanager
def span_receiver(port: int) -> Iterator[SpanReceiver]:
    """Listens on `port` until the block ends."""
    receiver = SpanReceiver(port)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.add(list(_read(ExportTraceServiceRequest.FromString(body))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def _read(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for resource in request.resource_spans:
        service = str(_attributes(resource.resource.attributes)["service.name"])
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    service=service,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    name=span.name,
                    failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                    began=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    attributes=_attributes(span.attributes),
                    links=tuple(link.span_id.hex() for link in span.links),
                )


def _attributes(values: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in values}
