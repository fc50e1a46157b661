"""Delivered orders that were paid at the sandbox gateway, and the steps of their returns."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.events.shipment_notification import ReceivedLine, ReturnReceived
from order_service.tests.payments.conftest import Shop, gateway, shop
from tests.harness.service import Caller

__all__ = ["gateway", "shop"]

DELIVERED = "UPDATE orders SET status = 'delivered', delivered_at = now() WHERE id = $1"
ADD_LINE = """
INSERT INTO order_lines (order_id, position, product_id, sku, name, quantity, unit_price)
VALUES ($1, $2, $3, 'SKU', 'A mug', $4, $5)
"""


@dataclass
class Bought:
    """A delivered order: three mugs at 200 each, in two lines (2 + 1), and one tray at 400; 1000 in all."""

    order_id: UUID
    payment_id: str
    mug: UUID
    tray: UUID


class Counter:
    """Requests, approves and receives returns."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def bought(self) -> Bought:
        order_id, payment = await self.shop.paid(total=1000)
        mug, tray = uuid4(), uuid4()
        await self.shop.execute("DELETE FROM order_lines WHERE order_id = $1", order_id)
        for position, (product_id, quantity, price) in enumerate([(mug, 2, 200), (tray, 1, 400), (mug, 1, 200)], 1):
            await self.shop.execute(ADD_LINE, order_id, position, product_id, quantity, price)
        await self.shop.execute(DELIVERED, order_id)
        return Bought(order_id, payment["id"], mug, tray)

    async def ask(
        self, bought: Bought, *lines: tuple[UUID, int], by: Caller | None = None, key: str | None = None
    ) -> httpx.Response:
        body = {"lines": [{"product_id": str(id), "quantity": n} for id, n in lines], "reason": "too small for Ada"}
        path, headers = f"/orders/{bought.order_id}/returns", {"Idempotency-Key": key or str(uuid4())}
        return await (by or self.shop.customer).post(path, json=body, headers=headers)

    async def approved(self, bought: Bought, *lines: tuple[UUID, int]) -> str:
        """The id of a return that was requested and approved."""
        made = await self.ask(bought, *lines)
        assert made.status_code == 201, made.text
        return_id = str(made.json()["id"])
        approved = await self.shop.staff.post(f"/returns/{return_id}/approve")
        assert (approved.status_code, approved.json()["status"]) == (200, "approved"), approved.text
        return return_id

    async def receive(self, bought: Bought, return_id: str, *lines: tuple[UUID, int, int]) -> None:
        """Delivers inventory's event; lines are (product, restocked, scrapped)."""
        await self.shop.served.deliver(received(bought, return_id, *lines))

    async def read(self, return_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.shop.customer.get(f"/returns/{return_id}")).json()
        return found

    async def history(self, bought: Bought) -> list[dict[str, Any]]:
        """The steps of the order's returns."""
        found = await self.shop.customer.get(f"/orders/{bought.order_id}/history", params={"limit": 100})
        items: list[dict[str, Any]] = found.json()["items"]
        return [entry for entry in items if "return." in entry["trigger"]]


def received(bought: Bought, return_id: str, *lines: tuple[UUID, int, int]) -> ReturnReceived:
    return ReturnReceived(
        return_id=UUID(return_id),
        order_id=bought.order_id,
        customer_id=uuid4(),
        number="1",
        warehouse_id=uuid4(),
        lines=[ReceivedLine(product_id=id, restocked=good, scrapped=bad) for id, good, bad in lines],
        version=2,
    )


@pytest.fixture
def counter(shop: Shop) -> Counter:
    return Counter(shop)
