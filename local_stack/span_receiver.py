"""Passes spans on to Zipkin, which has no receiver for OTLP: `python -m local_stack.span_receiver`.

The fields are those of OpenTelemetry's specification for Zipkin exporters.
"""

import os
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from local_stack.layout import SHOP, Layout
from local_stack.otlp import Attributes, attributes, kind, otlp_server, spans_in
from local_stack.parts import SPAN_RECEIVER, ZIPKIN


def as_zipkin(resource: Attributes, span: Span) -> dict[str, Any]:
    """A span in the format of Zipkin's API (v2). It has no links, so they are left out."""
    tags = {name: str(value) for name, value in attributes(span.attributes).items()}
    found: dict[str, Any] = {
        "traceId": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "name": span.name,
        "timestamp": span.start_time_unix_nano // 1000,
        "duration": max((span.end_time_unix_nano - span.start_time_unix_nano) // 1000, 1),
        "localEndpoint": {"serviceName": resource["service.name"]},
        "tags": tags,
    }
    if span.parent_span_id:
        found["parentId"] = span.parent_span_id.hex()
    if (of := kind(span)) != "INTERNAL":
        found["kind"] = of
    if remote := tags.get("messaging.system") or tags.get("server.address"):
        found["remoteEndpoint"] = {"serviceName": remote}
    if span.status.code == Status.STATUS_CODE_ERROR:
        tags["error"] = tags.get("error.type", "true")
    return found


def main() -> None:
    layout = Layout(Path(os.environ[SHOP]))
    # Plain HTTP on this machine: no certificates are loaded, and no proxy is used.
    client = httpx.Client(base_url=layout.url(ZIPKIN), timeout=5, verify=False, trust_env=False)

    def pass_on(body: bytes) -> None:
        client.post("/api/v2/spans", json=[as_zipkin(*each) for each in spans_in(body)]).raise_for_status()

    otlp_server(layout.port(SPAN_RECEIVER), pass_on).serve_forever()


if __name__ == "__main__":
    main()
