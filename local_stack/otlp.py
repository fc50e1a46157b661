"""Receives spans by OTLP over HTTP, as an OpenTelemetry collector does."""

import gzip
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATH = "/v1/traces"
Attributes = dict[str, Any]


def otlp_server(port: int, take: Callable[[bytes], None]) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 that calls `take` with the body of each export; an error in it answers 500."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections open between exports

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != PATH:
                self._answer(404)
                return
            try:
                take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            except Exception as error:
                self.log_error("%r", error)
                self._answer(500)
            else:
                self._answer(200)

        def do_GET(self) -> None:
            self._answer(200 if self.path == "/health/ready" else 404)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, *_: Any) -> None:
            """Requests are not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


def spans_in(body: bytes) -> Iterator[tuple[Attributes, Span]]:
    """The spans of an export, each with the attributes of its resource."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        of_resource = attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield of_resource, span


def kind(span: Span) -> str:
    """SERVER, CLIENT, PRODUCER, CONSUMER or INTERNAL."""
    return str(Span.SpanKind.Name(span.kind)).removeprefix("SPAN_KIND_")


def attributes(pairs: Any) -> Attributes:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
