"""Simulates customers and staff with exceptions: cards are declined or slow, orders are cancelled at any time, money
and goods are returned, parcels are lost."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from tests.system.carts import CartCustomers
from tests.system.customers import POLL_SECONDS
from tests.system.world import SOON, Person, none_left, until

CARDS = (
    *("tok_ok", "tok_declined", "tok_duplicate", "tok_late", "tok_ok", "tok_lost_answer", "tok_authorised", "tok_ok"),
)
DECLINED = "tok_declined"
PENCE = 100
NOT_TO_DISPATCH, REFUNDED = "shipment-not-to-dispatch", "shipment-refunded"
RETURN_OUTCOMES = ("all", "never arrives", "rejected", "all", "broken")


class IrregularCustomers(CartCustomers):
    """A seventh of the orders is cancelled: half of them when they are placed, half when their parcel is dispatched. An
    eleventh is refunded in part. Of a ninth the customer requests a return, and sends all goods, some, or none. Two in
    thirteen are refunded in full by staff: before the dispatch, or at the same time. Of one in seventeen the carrier
    loses all parcels, or the first."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._to_return: set[str] = set()
        """Delivered orders whose goods are still to be refunded."""

    def card(self, number: int, *, again: bool = False) -> str:
        card = CARDS[number // 2 % len(CARDS)]
        return "tok_ok" if again and card == DECLINED else card

    def pays_separately(self, number: int) -> bool:
        return super().pays_separately(number) or self.card(number) == DECLINED

    async def order(self, customer: Person, number: int) -> dict[str, Any]:
        order = await super().order(customer, number)
        if number % 14 == 3:
            await self._cancel(order["id"])
        return order

    async def wait_for_ends(self, within: float = SOON) -> None:
        await super().wait_for_ends(within)

        async def left() -> int:
            return len(self._to_return)

        await none_left("all goods are refunded", left, within)

    def _tasks(self) -> list[Coroutine[Any, Any, None]]:
        return [*super()._tasks(), self._return_all_goods()]

    async def _dispatch(self, parcel: dict[str, Any]) -> None:
        order_id = parcel["order_id"]
        number = self.number_of(order_id)
        if number % 14 == 10:
            await asyncio.gather(self._cancel(order_id), self._dispatch_unless_cancelled(parcel))
        elif order_id in self.ledger.withdrawn:
            await self._dispatch_unless_cancelled(parcel)
        elif number % 13 == 6:
            await self._refund_before_dispatch(parcel)
        elif number % 13 == 11:
            self.ledger.withdrawn.add(order_id)
            await asyncio.gather(self._refund_in_full(order_id), self._dispatch_unless_cancelled(parcel))
        elif number % 17 == 8:
            await self._dispatch_and_lose(parcel)
        else:
            await self._dispatch_and_deliver(parcel)

    async def _dispatch_and_deliver(self, parcel: dict[str, Any]) -> None:
        order_id = parcel["order_id"]
        number = self.number_of(order_id)
        if number % 9 == 4:
            self._to_return.add(order_id)
        await super()._dispatch(parcel)
        if number % 15 == 7:
            right = {"tracking_number": f"{parcel['id'][-8:]}-RIGHT"}
            await self._world.staff.call("inventory", "PATCH", f"/shipments/{parcel['id']}/dispatch", json=right)
        if number % 11 == 5:
            await self._refund_in_part(order_id)

    async def _refund_before_dispatch(self, parcel: dict[str, Any]) -> None:
        """Refunds the order in full before any dispatch; then no parcel may be dispatched."""
        order_id = parcel["order_id"]
        self.ledger.stopped.add(order_id)
        await self._refund_in_full(order_id)
        customer, _ = self._by_order[order_id]
        await customer.order_becomes(order_id, "cancelled", within=self._world.timeout)
        await self._dispatch_unless_cancelled(parcel)

    async def _dispatch_and_lose(self, parcel: dict[str, Any]) -> None:
        order_id = parcel["order_id"]
        lost = self.ledger.lost.setdefault(order_id, set())
        all_of_them = self.number_of(order_id) % 2 == 0
        is_lost = all_of_them or not lost
        if is_lost:
            lost.add(parcel["id"])
        await self._try_to_dispatch(parcel)
        path = f"/shipments/{parcel['id']}/{'lost' if is_lost else 'deliver'}"
        await self._world.staff.call("inventory", "POST", path)

    async def _cancel(self, order_id: str) -> None:
        self.ledger.withdrawn.add(order_id)
        customer, _ = self._by_order[order_id]
        path = f"/orders/{order_id}/cancel"
        await customer.call("order", "POST", path, json={}, done_if="order-transition-refused")

    async def _dispatch_unless_cancelled(self, parcel: dict[str, Any]) -> None:
        """If another parcel was dispatched and the order is refunded, so that the warehouse is warned, dispatches this
        one nevertheless."""
        sent = await self._try_to_dispatch(parcel, NOT_TO_DISPATCH, REFUNDED)
        if sent is None:
            sent = await self._try_to_dispatch(parcel, NOT_TO_DISPATCH, confirm_refunded=True)
        if sent is not None:
            await self._world.staff.call("inventory", "POST", f"/shipments/{parcel['id']}/deliver")

    async def _try_to_dispatch(self, parcel: dict[str, Any], *rejected: str, confirm_refunded: bool = False) -> Any:
        sent = {"carrier": "Royal Mail", "tracking_number": parcel["id"][-8:], "confirm_refunded": confirm_refunded}
        path = f"/shipments/{parcel['id']}/dispatch"
        return await self._world.staff.call("inventory", "POST", path, json=sent, done_if=rejected)

    async def _refund_in_part(self, order_id: str) -> None:
        await self._refund(order_id, {"amount": PENCE})
        self.ledger.refunds[order_id] = PENCE

    async def _refund_in_full(self, order_id: str) -> None:
        paid = await self._refund(order_id, {})
        self.ledger.refunds[order_id] = paid["amount"]["amount"]

    async def _refund(self, order_id: str, amount: dict[str, int]) -> Any:
        """Refunds the order once, for any number of parcels. Returns the paid amount."""
        staff = self._world.staff
        payments = await staff.call("order", "GET", f"/orders/{order_id}/payments")
        [paid] = [payment for payment in payments["items"] if payment["status"] == "succeeded"]
        headers = {"Idempotency-Key": f"{order_id}-refund"}
        await staff.call("order", "POST", f"/payments/{paid['id']}/refunds", json=amount, headers=headers)
        return paid

    async def _return_all_goods(self) -> None:
        while True:
            await asyncio.gather(*(self._return_goods(order_id) for order_id in list(self._to_return)))
            await asyncio.sleep(POLL_SECONDS)

    async def _return_goods(self, order_id: str) -> None:
        """Returns goods as soon as all parcels are delivered and staff have made their refunds: the rest is the
        price."""
        customer, _ = self._by_order[order_id]
        number = self.number_of(order_id)
        if number % 11 == 5 and order_id not in self.ledger.refunds:
            return
        order = await customer.call("order", "GET", f"/orders/{order_id}")
        if order["status"] == "delivered":
            await self._make_return(order, RETURN_OUTCOMES[number // 9 % len(RETURN_OUTCOMES)])
            self._to_return.discard(order_id)

    async def _make_return(self, order: dict[str, Any], how: str) -> None:
        """Returns all pieces in good condition; or one broken piece; or none, because they never arrive or because the
        return was rejected and then withdrawn."""
        pieces: Counter[str] = Counter()
        for line in order["lines"]:
            pieces[line["product_id"]] += line["quantity"]
        one = order["lines"][0]["product_id"]
        wanted = pieces if how == "all" else Counter({one: pieces[one]})
        asked = await self._request_return(order["id"], wanted, "first")
        path, staff = f"/returns/{asked['id']}", self._world.staff
        if how == "rejected":
            why = {"reason": "worn"}
            await staff.call("order", "POST", f"{path}/reject", json=why, done_if="return-decided")
            again = await self._request_return(order["id"], wanted, "second")
            customer, _ = self._by_order[order["id"]]
            await customer.call("order", "POST", f"/returns/{again['id']}/withdraw", done_if="return-decided")
            return
        await staff.call("order", "POST", f"{path}/approve", done_if="return-decided")
        back = await self._expected(order["id"])
        if how == "never arrives":
            self.ledger.closed.add(order["id"])
            await staff.call("inventory", "POST", f"/returns/{back['id']}/close")
            return
        came = wanted if how == "all" else Counter({one: 1})
        await self._receive(back, came, "restock" if how == "all" else "scrap")
        self.ledger.returns[order["id"]] = came

    async def _request_return(self, order_id: str, wanted: Counter[str], key: str) -> dict[str, Any]:
        lines = [{"product_id": id, "quantity": quantity} for id, quantity in wanted.items()]
        customer, _ = self._by_order[order_id]
        asked: dict[str, Any] = await customer.call(
            "order", "POST", f"/orders/{order_id}/returns", json={"lines": lines, "reason": "not what I wanted"},
            headers={"Idempotency-Key": f"{order_id}-{key}"},
        )  # fmt: skip
        return asked

    async def _expected(self, order_id: str) -> dict[str, Any]:
        async def expected() -> Any:
            return (await self._world.staff.call("inventory", "GET", "/returns", params={"order_id": order_id}))[
                "items"
            ]

        [back] = await until("the return is expected", expected, self._world.timeout)
        found: dict[str, Any] = back
        return found

    async def _receive(self, back: dict[str, Any], came: Counter[str], how: str) -> None:
        """Receives the return in the (first) warehouse that dispatched the order."""
        [parcel, *_] = await self._world.shipments(back["order_id"])
        lines = [{"product_id": id, how: quantity} for id, quantity in came.items()]
        body = {"warehouse_id": parcel["warehouse_id"], "lines": lines}
        await self._world.staff.call("inventory", "POST", f"/returns/{back['id']}/receive", json=body)
