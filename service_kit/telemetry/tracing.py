"""W3C trace context, and spans by OpenTelemetry: one trace from the first request through outbox, Kafka and gateway to
the last consumer.

Spans are recorded only after `record_with`. Otherwise a process passes contexts on as they came.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attributes = Mapping[str, str | int]

_propagator = TraceContextTextMapPropagator()
_SAMPLED = frozenset("13579bdf")


class _Process:
    tracer: Tracer | None = None


def record_with(tracer: Tracer | None) -> None:
    """The spans of this process are made by `tracer` from now on; None: no more are made."""
    _Process.tracer = tracer


def is_recording() -> bool:
    """Whether spans of sampled traces are recorded."""
    return _Process.tracer is not None


def records(traceparent: str | None) -> bool:
    """Whether the spans of this trace are recorded. It is cheap, since it is called for every event: it reads the flags
    alone (the last bit of the 55th character is "sampled"), and `start_span` finds out whether the rest is valid."""
    return _Process.tracer is not None and traceparent is not None and traceparent[54:55] in _SAMPLED


def traceparent_of(span: Span) -> str | None:
    """The `traceparent` of what the span causes; None for an invalid span."""
    its = span.get_span_context()
    return f"00-{its.trace_id:032x}-{its.span_id:016x}-{its.trace_flags:02x}" if its.is_valid else None


def current_traceparent() -> str | None:
    """The `traceparent` to pass on, or None outside of any trace."""
    return traceparent_of(trace.get_current_span())


def current_ids() -> tuple[str, str] | None:
    """The ids of trace and span in hexadecimal digits (32 and 16), or None outside of any trace."""
    its = trace.get_current_span().get_span_context()
    return (f"{its.trace_id:032x}", f"{its.span_id:016x}") if its.is_valid else None


@contextmanager
def continue_trace(traceparent: str | None) -> Iterator[None]:
    """Within the block, spans and events belong to the trace of `traceparent`. With none, or an invalid one, they
    belong to a new trace that is not sampled, so that log lines have an id in common."""
    token = context.attach(trace.set_span_in_context(_remote(traceparent) or _not_sampled()))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def span_of_request(traceparent: str | None) -> Iterator[Span]:
    """The SERVER span of a request. The caller's decision about sampling is kept; without a caller's trace, a new one
    begins. The caller names it when the route is known."""
    parent = _remote(traceparent)
    if _Process.tracer is None:
        span: Span = parent or _not_sampled()
    else:
        span = _Process.tracer.start_span("request", _in(parent), SpanKind.SERVER)
    with _current(span):
        yield span


@contextmanager
def span_of_call(name: str, attributes: Attributes) -> Iterator[tuple[Span, dict[str, str]]]:
    """The CLIENT span of a call to another system, within the current trace; and the headers that continue the trace
    there."""
    current = trace.get_current_span()
    span = current
    if _Process.tracer is not None:
        span = _Process.tracer.start_span(name, None, SpanKind.CLIENT, attributes)
    traceparent = traceparent_of(span)
    with _current(span, ends=span is not current):
        yield span, {"traceparent": traceparent} if traceparent else {}


def start_span(
    name: str, kind: SpanKind, traceparent: str | None, attributes: Attributes, began: datetime
) -> Span | None:
    """A span within the trace of `traceparent`, which the caller ends; None if that trace is not recorded."""
    parent = _remote(traceparent) if records(traceparent) else None
    if _Process.tracer is None or parent is None:
        return None
    return _Process.tracer.start_span(name, _in(parent), kind, attributes, start_time=int(began.timestamp() * 1e9))


def end(span: Span, error: BaseException | str | None = None) -> None:
    """An error's message is not recorded, since it may contain personal data."""
    if error is not None:
        mark_failed(span, error if isinstance(error, str) else type(error).__name__)
    span.end()


def mark_failed(span: Span, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)


@contextmanager
def ending(spans: Iterable[Span | None]) -> Iterator[None]:
    """Ends the spans with the block, as failed if it raises. `spans` is read at its end."""
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        for span in spans:
            if span is not None:
                end(span, error)


@contextmanager
def _current(span: Span, *, ends: bool = True) -> Iterator[None]:
    token = context.attach(trace.set_span_in_context(span))
    with ending((span,) if ends else ()):
        try:
            yield
        finally:
            context.detach(token)


def _remote(traceparent: str | None) -> Span | None:
    """None: none was given, or an invalid one."""
    if not traceparent:
        return None
    span = trace.get_current_span(_propagator.extract({"traceparent": traceparent}, context.Context()))
    return span if span.get_span_context().is_valid else None


def _in(parent: Span | None) -> context.Context:
    """An empty context begins a new trace."""
    empty = context.Context()
    return trace.set_span_in_context(parent, empty) if parent else empty


def _not_sampled() -> Span:
    trace_id, span_id = secrets.randbits(128) or 1, secrets.randbits(64) or 1
    return NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(0)))
