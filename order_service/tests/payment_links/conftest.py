"""An order service with a catalogue and customers, and the sandbox gateway that it can reach."""

from asyncio import create_task, gather
from collections.abc import AsyncIterator, Awaitable
from typing import Any
from uuid import UUID

import httpx
import pytest

from order_service.tests.conftest import SHIP_TO, Shop
from order_service.tests.payments.conftest import API_KEY, SECRET, GatewayProcess, eventually, gateway
from tests.harness.server import listening
from tests.harness.service import serve

__all__ = ["gateway"]


class Links:
    """A shop whose staff send payment links."""

    def __init__(self, shop: Shop, gateway: GatewayProcess) -> None:
        self.shop = shop
        self.gateway = gateway
        self.public = shop.served.anonymous

    async def draft(self, **more: Any) -> dict[str, Any]:
        """A draft of two mugs, 2000 in all, for a customer."""
        line = {"product_id": str(await self.shop.product()), "quantity": 2}
        body = {"lines": [line], "ship_to": {**SHIP_TO, "phone": "+44 20 7946 0000"}, **more}
        body["customer_id"] = str(await self.shop.known_customer())
        answer = await self.shop.staff.post("/drafts", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def of_draft(self, draft: dict[str, Any]) -> str:
        return _token(await self.shop.staff.post(f"/drafts/{draft['id']}/link"))

    async def of_order(self, order_id: UUID) -> str:
        return _token(await self.shop.staff.post(f"/orders/{order_id}/payment-link"))

    async def show(self, token: str) -> httpx.Response:
        return await self.public.get("/payment-link", headers={"Payment-Link": token})

    async def pay(self, token: str, card: str = "tok_ok", **more: Any) -> httpx.Response:
        body = {"token": card, **more}
        return await self.public.post("/payment-link/payments", json=body, headers={"Payment-Link": token})

    async def placed(self, draft: dict[str, Any]) -> UUID:
        """The order that the draft becomes, once it has."""

        async def order_id() -> UUID | None:
            found: UUID | None = await self.shop.execute("SELECT order_id FROM drafts WHERE id = $1", UUID(draft["id"]))
            return found

        return await eventually(order_id)

    async def accepting(
        self, draft: dict[str, Any], *requests: Awaitable[httpx.Response]
    ) -> tuple[UUID, list[httpx.Response]]:
        """The responses to these concurrent requests, and the order that the draft becomes, whose stock is reserved."""

        async def accept() -> None:
            await self.shop.accept(await self.placed(draft))

        accepted = create_task(accept())
        responses = await gather(*requests)
        await accepted
        return await self.placed(draft), responses

    async def settled(self, token: str, card: str = "tok_ok") -> dict[str, Any]:
        """The payment, once its outcome is known; the customer's page repeats its request."""

        async def outcome() -> dict[str, Any] | None:
            answer = await self.pay(token, card)
            assert answer.status_code in (201, 409), answer.text
            found: dict[str, Any] = answer.json()
            return found if found["status"] in ("succeeded", "failed", "action_required") else None

        return await eventually(outcome)


def _token(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


@pytest.fixture
async def links(gateway: GatewayProcess) -> AsyncIterator[Links]:
    settings = {"gateway_api_key": API_KEY, "gateway_webhook_secret": SECRET, "gateway_timeout_seconds": 5}
    async with serve("order_service", gateway_url=gateway.process.url, log_level="INFO", **settings) as served:
        with_webhooks = listening(served.app, gateway.webhook_port)
        async with with_webhooks:
            yield Links(Shop(served), gateway)
