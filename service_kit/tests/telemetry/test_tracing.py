"""Trace context is passed on as it came, and spans are recorded where an exporter is configured."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service_kit.telemetry import tracing
from service_kit.tests.telemetry.recording import NOT_SAMPLED, PARENT, SAMPLED, TRACE, recorded

INVALID = [None, "", "what", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", "00-x-y-01"]


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    with recorded() as exporter:
        yield exporter


@pytest.fixture
def spans_of_callers_only() -> Iterator[InMemorySpanExporter]:
    with recorded(sampled=False) as exporter:
        yield exporter


def the_one(exporter: InMemorySpanExporter) -> ReadableSpan:
    [span] = exporter.get_finished_spans()
    return span


@pytest.mark.parametrize("traceparent", [SAMPLED, NOT_SAMPLED])
def test_without_an_exporter_the_context_is_passed_on_unchanged(traceparent: str) -> None:
    with tracing.span_of_request(traceparent):
        assert tracing.current_traceparent() == traceparent
        with tracing.span_of_call("GET elsewhere", {}) as (_, headers):
            assert headers == {"traceparent": traceparent}
    with tracing.continue_trace(traceparent):
        assert tracing.current_traceparent() == traceparent
    assert tracing.current_traceparent() is None


@pytest.mark.parametrize("traceparent", INVALID)
def test_a_request_without_a_valid_context_gets_a_trace_that_nobody_records(traceparent: str | None) -> None:
    with tracing.span_of_request(traceparent):
        first = tracing.current_traceparent()
    with tracing.continue_trace(traceparent):
        second = tracing.current_traceparent()
    assert first
    assert second
    assert first != second
    assert first.endswith("-00")
    assert second.endswith("-00")
    assert TRACE not in first + second


def test_a_request_is_a_child_of_its_caller(spans: InMemorySpanExporter) -> None:
    with tracing.span_of_request(SAMPLED):
        inside = tracing.current_traceparent()
    span = the_one(spans)
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert inside == f"00-{TRACE}-{span.context.span_id:016x}-01"


@pytest.mark.parametrize("traceparent", INVALID)
def test_a_request_without_a_valid_context_begins_a_trace(traceparent: str | None, spans: InMemorySpanExporter) -> None:
    with tracing.continue_trace(SAMPLED), tracing.span_of_request(traceparent):  # as if a former request had leaked
        assert TRACE not in (tracing.current_traceparent() or TRACE)
    assert the_one(spans).parent is None


def test_a_callers_decision_not_to_record_is_kept(spans: InMemorySpanExporter) -> None:
    with tracing.span_of_request(NOT_SAMPLED), tracing.span_of_call("GET elsewhere", {}) as (_, headers):
        assert headers["traceparent"].endswith("-00")
    assert spans.get_finished_spans() == ()


def test_a_callers_decision_to_record_is_kept(spans_of_callers_only: InMemorySpanExporter) -> None:
    with tracing.span_of_request(None):
        pass
    assert spans_of_callers_only.get_finished_spans() == ()
    with tracing.span_of_request(SAMPLED):
        pass
    assert the_one(spans_of_callers_only).kind.name == "SERVER"


def test_a_call_is_a_child_of_the_request_and_the_parent_of_what_it_causes(spans: InMemorySpanExporter) -> None:
    with tracing.span_of_request(None), tracing.span_of_call("POST elsewhere", {"a": 1}) as (_, headers):
        pass
    call, request = spans.get_finished_spans()
    assert call.context
    assert request.context
    assert call.parent
    assert call.parent.span_id == request.context.span_id
    assert headers["traceparent"].startswith(f"00-{call.context.trace_id:032x}-{call.context.span_id:016x}-")
    assert (call.kind.name, dict(call.attributes or {})) == ("CLIENT", {"a": 1})


def test_a_failed_span_has_the_type_of_its_error_and_not_the_message(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="ada@"), tracing.span_of_request(None):
        raise ValueError("ada@example.org is taken")
    span = the_one(spans)
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert span.status.status_code.name == "ERROR"
    assert "ada@" not in span.to_json()


def test_within_a_continued_trace_no_span_is_made(spans: InMemorySpanExporter) -> None:
    with tracing.continue_trace(SAMPLED):
        assert tracing.current_ids() == (TRACE, PARENT)
    assert spans.get_finished_spans() == ()


def test_only_sampled_traces_are_recorded_and_only_with_an_exporter(
    spans_of_callers_only: InMemorySpanExporter,
) -> None:
    assert tracing.records(SAMPLED)
    assert tracing.records(f"01-{TRACE}-{PARENT}-03-more-of-a-later-version")
    assert not any(tracing.records(each) for each in (NOT_SAMPLED, None, "", f"00-{TRACE}-{PARENT}-02"))
    tracing.record_with(None)
    assert not tracing.records(SAMPLED)
