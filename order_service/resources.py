"""What this service opens once per process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from order_service.orders.decisions import Decisions
from order_service.payments.gateway import open_gateway
from order_service.payments.use_cases import Settler
from order_service.settings import Settings
from service_kit.runtime import Runtime


@asynccontextmanager
async def open_resources(runtime: Runtime) -> AsyncIterator[None]:
    settings = runtime.settings
    assert isinstance(settings, Settings)
    decisions = Decisions(runtime.database, runtime.messaging.processor)
    runtime.provide(decisions)
    runtime.provide(Settler(runtime.database))
    async with (
        open_gateway(
            settings.gateway_url,
            settings.gateway_api_key,
            settings.gateway_webhook_secret,
            settings.gateway_timeout_seconds,
        ) as gateway,
        decisions.running(),
    ):
        runtime.provide(gateway)
        yield
