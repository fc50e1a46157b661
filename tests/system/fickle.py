"""Customers as they are: cards are declined or slow, orders are called off at any moment, money and goods go back."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from tests.system.crowd import LOOK, Crowd
from tests.system.world import SOON, Person, until

CARDS = (*("tok_ok", "tok_declined", "tok_duplicate", "tok_late", "tok_ok", "tok_lost_answer", "tok_ok", "tok_ok"),)
DECLINED = "tok_declined"
PENCE = 100


class FickleCrowd(Crowd):
    """A seventh of the orders is called off, half of them when they are placed, half when their parcel is about to
    leave; of an eleventh some money is given back; of a ninth the customer gives goods back: all of them, some, or none
    in the end."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._regretted: set[str] = set()
        """Orders whose parcels have arrived and whose goods are still to be given back."""

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

    async def ended(self, within: float = SOON) -> None:
        await super().ended(within)

        async def nothing_to_give_back() -> bool:
            return not self._regretted

        await until("all goods are given back", nothing_to_give_back, within)

    def _service(self) -> list[Coroutine[Any, Any, None]]:
        return [*super()._service(), self._take_all_back()]

    async def _send(self, parcel: dict[str, Any]) -> None:
        order_id = parcel["order_id"]
        number = self.number_of(order_id)
        if number % 14 == 10:
            await asyncio.gather(self._call_off(order_id), self._send_unless_called_off(parcel))
        elif order_id in self.ledger.called_off:
            await self._send_unless_called_off(parcel)
        else:
            if number % 9 == 4:
                self._regretted.add(order_id)
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

    async def _take_all_back(self) -> None:
        while True:
            await asyncio.gather(*(self._regret(order_id) for order_id in list(self._regretted)))
            await asyncio.sleep(LOOK)

    async def _regret(self, order_id: str) -> None:
        """As soon as all of it has arrived, and staff have given back what they do: the rest is the goods' price."""
        customer, _ = self._by_order[order_id]
        number = self.number_of(order_id)
        if number % 11 == 5 and order_id not in self.ledger.refunds:
            return
        order = await customer.call("order", "GET", f"/orders/{order_id}")
        if order["status"] == "delivered":
            await self._take_back(order, number // 9 % 3)
            self._regretted.discard(order_id)

    async def _take_back(self, order: dict[str, Any], how: int) -> None:
        """0: all of it, as good as new; 1: of one product a piece, broken; 2: refused, and then withdrawn."""
        pieces: Counter[str] = Counter()
        for line in order["lines"]:
            pieces[line["product_id"]] += line["quantity"]
        one = order["lines"][0]["product_id"]
        wanted = pieces if how == 0 else Counter({one: pieces[one]})
        asked = await self._ask(order["id"], wanted, "first")
        path, staff = f"/returns/{asked['id']}", self._world.staff
        if how == 2:
            why = {"reason": "worn"}
            await staff.call("order", "POST", f"{path}/refuse", json=why, done_if="return-decided")
            again = await self._ask(order["id"], wanted, "second")
            customer, _ = self._by_order[order["id"]]
            await customer.call("order", "POST", f"/returns/{again['id']}/withdraw", done_if="return-decided")
            return
        await staff.call("order", "POST", f"{path}/approve", done_if="return-decided")
        came = wanted if how == 0 else Counter({one: 1})
        await self._receive(order["id"], came, "restock" if how == 0 else "scrap")
        self.ledger.returns[order["id"]] = came

    async def _ask(self, order_id: str, wanted: Counter[str], key: str) -> dict[str, Any]:
        lines = [{"product_id": id, "quantity": quantity} for id, quantity in wanted.items()]
        customer, _ = self._by_order[order_id]
        asked: dict[str, Any] = await customer.call(
            "order", "POST", f"/orders/{order_id}/returns", json={"lines": lines, "reason": "not what I wanted"},
            headers={"Idempotency-Key": f"{order_id}-{key}"},
        )  # fmt: skip
        return asked

    async def _receive(self, order_id: str, came: Counter[str], how: str) -> None:
        """In the warehouse that sent it, or the first that did."""
        staff = self._world.staff

        async def expected() -> Any:
            return (await staff.call("inventory", "GET", "/returns", params={"order_id": order_id}))["items"]

        [back] = await until("the return is expected", expected, self._world.patience)
        [parcel, *_] = await self._world.shipments(order_id)
        lines = [{"product_id": id, how: quantity} for id, quantity in came.items()]
        body = {"warehouse_id": parcel["warehouse_id"], "lines": lines}
        await staff.call("inventory", "POST", f"/returns/{back['id']}/receive", json=body)
