"""Records the spans of this process in memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from service_kit.telemetry import tracing

TRACE, PARENT = "0a" * 16, "0b" * 8
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


@contextmanager
def recorded(*, sampled: bool = True) -> Iterator[InMemorySpanExporter]:
    """`sampled`: whether traces that begin here are recorded. A caller's decision is kept."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(ParentBased(ALWAYS_ON if sampled else ALWAYS_OFF))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.record_with(provider.get_tracer("test"))
    try:
        yield exporter
    finally:
        tracing.record_with(None)


def id_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str:
    return f"{span.parent.span_id:016x}" if span.parent else ""
