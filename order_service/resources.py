"""What this service opens once per process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from order_service.orders import metrics
from order_service.orders.queries import AWAITING_PAYMENT
from order_service.orders.watch import OrderWatch
from order_service.payments.gateways.registry import open_gateways
from order_service.payments.reconciliation import Settler
from order_service.payments.tokens import TokenPayments
from order_service.rules.holder import RulesHolder
from order_service.settings import Settings
from order_service.taxes.registries.opening import open_registries
from service_kit.runtime import Runtime


@asynccontextmanager
async def open_resources(runtime: Runtime) -> AsyncIterator[None]:
    settings = runtime.resource(Settings)
    runtime.provide(RulesHolder(settings.home_country))
    watch = OrderWatch(runtime)
    runtime.provide(watch)
    runtime.provide(Settler(runtime.database))
    runtime.database.signals.listen(metrics.MOVED, metrics.count)
    tokens = TokenPayments(runtime)
    runtime.provide(tokens)
    if settings.service_role != "api":  # as the jobs
        runtime.database.signals.listen(AWAITING_PAYMENT, tokens.begin)
    async with (
        open_gateways(settings) as gateways,
        open_registries(settings) as registries,
        watch.running(),
    ):
        runtime.provide(gateways)
        runtime.provide(registries)
        yield
