"""W3C trace context: one trace id from the first request through outbox and Kafka to the last consumer."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def current_traceparent() -> str | None:
    """The `traceparent` to pass on, or None outside of any trace."""
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}" if span.is_valid else None


def current_trace_id() -> str | None:
    """32 hexadecimal digits, or None outside of any trace."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else None


@contextmanager
def continue_trace(traceparent: str | None) -> Iterator[None]:
    """Within the block the trace of `traceparent` is continued; with none, or an invalid one, a new one begins."""
    span = SpanContext(
        trace_id=_trace_id(traceparent) or secrets.randbits(128) or 1,
        span_id=secrets.randbits(64) or 1,
        is_remote=False,
        trace_flags=_SAMPLED,
    )
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(span)))
    try:
        yield
    finally:
        context.detach(token)


def _trace_id(traceparent: str | None) -> int:
    """The trace id in `traceparent`; 0: there is none, or it is invalid."""
    if not traceparent:
        return 0
    return trace.get_current_span(_propagator.extract({"traceparent": traceparent})).get_span_context().trace_id
