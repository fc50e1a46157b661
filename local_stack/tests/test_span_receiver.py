"""Spans are translated for Zipkin as OpenTelemetry's specification demands."""

from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from local_stack.span_receiver import as_zipkin

TRACE, PARENT, ID = "0a" * 16, "0b" * 8, "0c" * 8
RESOURCE = {"service.name": "order_service"}


def span(**more: Any) -> Span:
    return Span(
        trace_id=bytes.fromhex(TRACE),
        span_id=bytes.fromhex(ID),
        name="POST /orders",
        start_time_unix_nano=1_700_000_000_000_001_999,
        end_time_unix_nano=1_700_000_000_002_002_000,
        **more,
    )


def test_a_request_at_the_beginning_of_a_trace() -> None:
    attributes = [
        KeyValue(key="http.route", value=AnyValue(string_value="/orders")),
        KeyValue(key="http.response.status_code", value=AnyValue(int_value=201)),
    ]
    assert as_zipkin(RESOURCE, span(kind=Span.SPAN_KIND_SERVER, attributes=attributes)) == {
        "traceId": TRACE,
        "id": ID,
        "name": "POST /orders",
        "kind": "SERVER",
        "timestamp": 1_700_000_000_000_001,
        "duration": 2000,
        "localEndpoint": {"serviceName": "order_service"},
        "tags": {"http.route": "/orders", "http.response.status_code": "201"},
    }


def test_a_failed_send_names_its_parent_the_broker_and_the_error() -> None:
    attributes = [
        KeyValue(key="messaging.system", value=AnyValue(string_value="kafka")),
        KeyValue(key="error.type", value=AnyValue(string_value="KafkaTimeoutError")),
    ]
    failed = Status(code=Status.STATUS_CODE_ERROR)
    parent = bytes.fromhex(PARENT)
    found = as_zipkin(
        RESOURCE, span(kind=Span.SPAN_KIND_PRODUCER, attributes=attributes, status=failed, parent_span_id=parent)
    )
    assert (found["parentId"], found["kind"]) == (PARENT, "PRODUCER")
    assert found["remoteEndpoint"] == {"serviceName": "kafka"}
    assert found["tags"]["error"] == "KafkaTimeoutError"
