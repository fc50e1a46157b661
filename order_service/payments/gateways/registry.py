"""The payment gateways of this installation."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from order_service.payments.gateways.port import PaymentGateway
from order_service.payments.gateways.sandbox import open_sandbox
from order_service.settings import Settings
from service_kit.problems import not_found


class Gateways:
    """Found by the name that a payment keeps; `default` makes the new payments."""

    def __init__(self, default: PaymentGateway, *others: PaymentGateway) -> None:
        self.default = default
        self._by_name = {gateway.name: gateway for gateway in (default, *others)}

    def __iter__(self) -> Iterator[PaymentGateway]:
        return iter(self._by_name.values())

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> PaymentGateway:
        """Raises: NotFound."""
        return self._by_name.get(name) or not_found("gateway", name)


@asynccontextmanager
async def open_gateways(settings: Settings) -> AsyncIterator[Gateways]:
    async with open_sandbox(
        settings.gateway_url,
        settings.gateway_api_key,
        settings.gateway_webhook_secret,
        settings.gateway_timeout_seconds,
    ) as sandbox:
        yield Gateways(sandbox)
