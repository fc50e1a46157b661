"""Customers of a drill: they buy in phases, and do again what was lost."""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import httpx

from tests.chaos.customers import CustomerStream
from tests.system.world import World

RATE = 4.0


class DrillCustomers(CustomerStream):
    """Between two phases no order is placed. Payments, parcels and returns go on; what fails is retried."""

    def __init__(self, world: World, rate: float = RATE) -> None:
        super().__init__(world, rate)

    async def buy_for(self, seconds: float) -> None:
        """Returns when every order that was placed in this time has been answered."""
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.place_orders(enough))
            await asyncio.sleep(seconds)
            enough.set()

    async def pay_again(self, order_ids: Iterable[str]) -> int:
        """The customers of these orders pay with another card. Returns how many orders could still be paid."""
        paid = 0
        for order_id in order_ids:
            customer, _ = self._by_order[order_id]
            order = await customer.order_becomes(
                order_id, "awaiting_payment", "rejected", "cancelled", "paid", "shipped", "delivered"
            )
            if order["status"] != "awaiting_payment":
                continue
            await self._post(customer, f"/orders/{order_id}/payments", {"token": "tok_ok"})
            paid += 1
        return paid

    async def withdraw_again(self, returns: Iterable[tuple[str, str]]) -> int:
        """`returns`: ids of orders and of their returns, which their customers had withdrawn."""
        count = 0
        for order_id, return_id in returns:
            customer, _ = self._by_order[order_id]
            await customer.call("order", "POST", f"/returns/{return_id}/withdraw", done_if="return-decided")
            count += 1
        return count

    async def _post(self, customer: Any, path: str, body: dict[str, Any]) -> httpx.Response:
        answer: httpx.Response = await customer.ask(
            "order", "POST", path, json=body, headers={"Idempotency-Key": str(uuid4())}
        )
        assert answer.is_success or answer.status_code == 409, f"{path}: {answer.status_code} {answer.text}"
        return answer
