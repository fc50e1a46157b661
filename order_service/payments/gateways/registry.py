"""The payment gateways of this installation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from order_service.payments.gateways.port import PaymentGateway
from order_service.payments.gateways.sandbox import open_sandbox
from order_service.settings import Settings


class Gateways(dict[str, PaymentGateway]):
    """By name, as in the column `payments.gateway`."""

    def __init__(self, default: PaymentGateway, *others: PaymentGateway) -> None:
        super().__init__({gateway.name: gateway for gateway in (default, *others)})
        self.default = default
        """The gateway of new payments."""


@asynccontextmanager
async def open_gateways(settings: Settings) -> AsyncIterator[Gateways]:
    async with open_sandbox(
        settings.gateway_url,
        settings.gateway_api_key,
        (settings.gateway_webhook_secret, settings.former_gateway_webhook_secret),
        settings.gateway_timeout_seconds,
    ) as sandbox:
        yield Gateways(sandbox)
