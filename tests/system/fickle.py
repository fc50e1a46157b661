"""Customers as they are: cards are declined or slow, orders are called off at any moment, money goes back."""

import asyncio
from typing import Any

from tests.system.crowd import Crowd
from tests.system.world import Person

CARDS = (*("tok_ok", "tok_declined", "tok_duplicate", "tok_late", "tok_ok", "tok_lost_answer", "tok_ok", "tok_ok"),)
DECLINED = "tok_declined"
PENCE = 100


class FickleCrowd(Crowd):
    """A seventh of the orders is called off, half of them when they are placed, half when their parcel is about to
    leave; of an eleventh some money is given back."""

    def card(self, number: int, *, again: bool = False) -> str:
        card = CARDS[number // 2 % len(CARDS)]
        return "tok_ok" if again and card == DECLINED else card

    def pays_by_hand(self, number: int) -> bool:
        return super().pays_by_hand(number) or self.card(number) == DECLINED

    async def order(self, customer: Person, number: int) -> dict[str, Any]:
        order = await super().order(customer, number)
        if number % 14 == 3:
            await self._call_off(order["id"])
        return order

    async def _send(self, parcel: dict[str, Any]) -> None:
        order_id = parcel["order_id"]
        number = self.number_of(order_id)
        if number % 14 == 10:
            await asyncio.gather(self._call_off(order_id), self._send_unless_called_off(parcel))
        elif order_id in self.ledger.called_off:
            await self._send_unless_called_off(parcel)
        else:
            await super()._send(parcel)
            if number % 11 == 5:
                await self._give_back(order_id)

    async def _call_off(self, order_id: str) -> None:
        self.ledger.called_off.add(order_id)
        customer, _ = self._by_order[order_id]
        path = f"/orders/{order_id}/cancel"
        await customer.call("order", "POST", path, json={}, done_if="order-transition-refused")

    async def _send_unless_called_off(self, parcel: dict[str, Any]) -> None:
        path, staff = f"/shipments/{parcel['id']}", self._world.staff
        sent = {"carrier": "Royal Mail", "tracking_number": parcel["id"][-8:]}
        refused = "shipment-not-to-dispatch"
        if await staff.call("inventory", "POST", f"{path}/dispatch", json=sent, done_if=refused) is not None:
            await staff.call("inventory", "POST", f"{path}/deliver")

    async def _give_back(self, order_id: str) -> None:
        staff = self._world.staff
        payments = await staff.call("order", "GET", f"/orders/{order_id}/payments")
        [paid] = [payment for payment in payments["items"] if payment["status"] == "succeeded"]
        headers = {"Idempotency-Key": f"{order_id}-refund"}  # several parcels, one refund
        await staff.call("order", "POST", f"/payments/{paid['id']}/refunds", json={"amount": PENCE}, headers=headers)
        self.ledger.refunds[order_id] = PENCE
