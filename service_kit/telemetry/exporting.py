"""Exports spans to an OpenTelemetry collector, or to any other receiver of OTLP over HTTP."""

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, Field, SecretStr

from service_kit.telemetry import tracing
from service_kit.version import VERSION

if TYPE_CHECKING:
    from service_kit.settings import ServiceSettings

_STOP_SECONDS = 3.0


class TraceSettings(BaseModel):
    """The names are OpenTelemetry's own."""

    otel_exporter_otlp_endpoint: str | None = Field(
        default=None, description="where spans are sent, such as http://localhost:4318; none: no spans are recorded"
    )
    otel_exporter_otlp_headers: SecretStr | None = Field(
        default=None, description="sent along, as name=value, comma-separated: the credentials of a hosted receiver"
    )
    otel_traces_sampler_arg: float = Field(
        default=1.0, ge=0, le=1, description="share of new traces that are recorded; a caller's decision is kept"
    )
    otel_bsp_schedule_delay: int = Field(
        default=5000, gt=0, description="milliseconds that spans wait to be sent together"
    )


@dataclass(frozen=True, slots=True)
class Exporting:
    """The export of this process's spans."""

    provider: Any

    @classmethod
    def started(cls, settings: "ServiceSettings") -> Self | None:
        """None if the settings name no receiver. The SDK is imported only then: that takes time and memory."""
        if settings.otel_exporter_otlp_endpoint is None:
            return None
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.util.re import parse_env_headers

        resource = Resource.create({"service.name": settings.service_name, "service.version": VERSION})
        sampler = ParentBased(TraceIdRatioBased(settings.otel_traces_sampler_arg))
        provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
        endpoint = f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces"
        headers = settings.otel_exporter_otlp_headers
        exporter = OTLPSpanExporter(
            endpoint, headers=parse_env_headers(headers.get_secret_value(), liberal=True) if headers else None
        )
        processor = BatchSpanProcessor(exporter, schedule_delay_millis=settings.otel_bsp_schedule_delay)
        provider.add_span_processor(processor)
        tracing.record_with(provider.get_tracer("service_kit", VERSION))
        return cls(provider)

    async def stop(self) -> None:
        """Exports what is left; after `_STOP_SECONDS` it gives up. The SDK can block for longer, if the receiver does
        not answer, so that happens in a thread that does not keep the process alive."""
        tracing.record_with(None)
        ending = threading.Thread(target=self.provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, _STOP_SECONDS)
