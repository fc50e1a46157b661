"""Keeps the spans that services send by OTLP over HTTP."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.trace.v1 import trace_pb2

from local_stack.otlp import Attributes, attributes, kind, otlp_server, spans_in

EXPORT_MILLISECONDS = 200
"""How long the services of tests keep spans to send them together."""


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """`parent` is empty for a span that begins its trace; `began` and `ended` are nanoseconds."""

    service: str
    trace: str
    id: str
    parent: str
    kind: str
    name: str
    failed: bool
    began: int
    ended: int
    attributes: Mapping[str, Any]
    links: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.service} {self.name}"


class SpanReceiver:
    """`exports`: all that was received, with resources, events and descriptions of statuses."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._lock = threading.Lock()
        self._spans: dict[str, list[ReceivedSpan]] = defaultdict(list)
        self._exports: list[bytes] = []

    @property
    def settings(self) -> dict[str, str]:
        """With these, a service sends the spans of requests here whose caller wants them recorded, and no others."""
        delay = str(EXPORT_MILLISECONDS)
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": delay, "OTEL_TRACES_SAMPLER_ARG": "0",
        }  # fmt: skip

    @property
    def exports(self) -> list[bytes]:
        with self._lock:
            return list(self._exports)

    def take(self, body: bytes) -> None:
        found = [_received(*each) for each in spans_in(body)]
        with self._lock:
            self._exports.append(body)
            for span in found:
                self._spans[span.trace].append(span)

    def of(self, trace: str) -> list[ReceivedSpan]:
        with self._lock:
            return list(self._spans.get(trace, ()))


def edges(spans: Sequence[ReceivedSpan]) -> set[tuple[str, str]]:
    """Parent and child by service and name; a span without a recorded parent is a child of ``."""
    labels = {span.id: span.label for span in spans}
    return {(labels.get(span.parent, ""), span.label) for span in spans}


def orphans(spans: Sequence[ReceivedSpan], root: str) -> list[ReceivedSpan]:
    """Spans whose parent is neither recorded nor `root`, the id of the caller's span."""
    known = {root, *(span.id for span in spans)}
    return [span for span in spans if span.parent not in known]


@contextmanager
def span_receiver(port: int) -> Iterator[SpanReceiver]:
    """Listens on `port` until the block ends."""
    receiver = SpanReceiver(port)
    with otlp_server(port, receiver.take) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def _received(resource: Attributes, span: trace_pb2.Span) -> ReceivedSpan:
    return ReceivedSpan(
        service=str(resource["service.name"]),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=kind(span),
        name=span.name,
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        attributes=attributes(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
    )
