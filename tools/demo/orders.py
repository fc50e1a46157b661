"""One customer with an order in each lasting status, and two cancelled ones: one refunded by staff, one lost.

`pending` (stock is being reserved) and `cancelling` (inventory checks whether a parcel was dispatched) last only
milliseconds; the history of the cancelled order, which was paid before, has both.

Time leads to two statuses: `expired` after `pay_by`, and `completed` when the return window closes. For these two
orders the demo moves that time into the past in the order service's database, and the service's own jobs do the rest.
No other tool writes to a service's database."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from local_stack.errors import StackError
from service_kit.database.administration import administration
from tools.api import Api, poll

LONDON_ONLY, MANCHESTER_ONLY, SCARCE, WITHDRAWN = "OM-22834", "OM-22457", "OM-21889", "OM-22727"
SHIP_TO = {
    "name": "Ada King",
    "line1": "12 St James's Square",
    "city": "London",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}
CARD = "tok_ok"
PREFER = "wait=30"
TIMEOUT_SECONDS = 60.0

PAY_BY_IS_OVER = "UPDATE orders SET pay_by = now() - interval '1 second' WHERE id = %s AND status = 'awaiting_payment'"
RETURN_WINDOW_IS_OVER = (
    "UPDATE orders SET delivered_at = now() - interval '1 year' WHERE id = %s AND status = 'delivered'"
)

Order = dict[str, Any]
Found = TypeVar("Found")


@dataclass(frozen=True)
class DemoShop:
    """The customer, the staff who send the parcels, and the ids of the products by SKU."""

    customer: Api
    staff: Api
    products: dict[str, str]
    order_database_url: str

    async def placed(self, *lines: tuple[str, int]) -> Order:
        """Places an order. Returns it when its stock is reserved, or it is rejected."""
        body = {
            "lines": [{"product_id": self.products[sku], "quantity": quantity} for sku, quantity in lines],
            "ship_to": SHIP_TO,
        }
        not_visible_yet = ["product-unavailable"]
        order = await self.customer.post(
            "order", "/orders", body, key=uuid4().hex, prefer=PREFER, wait_for=not_visible_yet
        )
        return await self.when(order, lambda now: now["status"] != "pending")

    async def paid(self, *lines: tuple[str, int]) -> Order:
        order = await self.placed(*lines)
        await self.customer.post("order", f"/orders/{order['id']}/payments", {"token": CARD}, key=uuid4().hex)
        return await self.in_status(order, "paid")

    async def shipped(self, *lines: tuple[str, int]) -> Order:
        order = await self.paid(*lines)
        for shipment in await self.shipments(order):
            await self.dispatch(order, shipment)
        return await self.in_status(order, "shipped")

    async def delivered(self, *lines: tuple[str, int]) -> Order:
        order = await self.shipped(*lines)
        for shipment in await self.shipments(order):
            await self.staff.post("inventory", f"/shipments/{shipment['id']}/deliver", repeatable=True)
        return await self.in_status(order, "delivered")

    async def shipments(self, order: Order) -> list[Any]:
        """All shipments of the order, which inventory creates a moment after it was paid."""

        async def read() -> list[Any]:
            return await self.staff.all("inventory", "/shipments", order_id=order["id"])

        def complete(found: list[Any]) -> bool:
            return bool(found) and len(found) == found[0]["shipments_of_order"]

        return await _until(read, complete, f"the shipments of order {order['number']}")

    async def dispatch(self, order: Order, shipment: dict[str, Any]) -> None:
        body = {"carrier": "Royal Mail", "tracking_number": f"DEMO-{order['number']}"}
        await self.staff.post("inventory", f"/shipments/{shipment['id']}/dispatch", body, repeatable=True)

    async def return_goods(self, order: Order) -> None:
        """Returns all goods: requests the return, approves it, and receives it in the warehouse that sent them."""
        lines = [{"product_id": line["product_id"], "quantity": line["quantity"]} for line in order["lines"]]
        asked = await self.customer.post(
            "order", f"/orders/{order['id']}/returns", {"lines": lines, "reason": "too small"}, key=uuid4().hex
        )
        await self.staff.post("order", f"/returns/{asked['id']}/approve")

        async def expected() -> list[Any]:
            return await self.staff.all("inventory", "/returns", order_id=order["id"])

        await _until(expected, bool, f"the return of order {order['number']}")
        [shipment] = await self.shipments(order)
        received = {
            "warehouse_id": shipment["warehouse_id"],
            "lines": [{"product_id": line["product_id"], "restock": line["quantity"]} for line in lines],
        }
        await self.staff.post("inventory", f"/returns/{asked['id']}/receive", received, repeatable=True)

    async def in_status(self, order: Order, status: str) -> Order:
        return await self.when(order, lambda now: now["status"] == status, status)

    async def when(self, order: Order, holds: Callable[[Order], bool], what: str = "stock decided") -> Order:
        async def read() -> Order:
            found: Order = await self.customer.get("order", f"/orders/{order['id']}")
            return found

        return order if holds(order) else await _until(read, holds, f"order {order['number']}: {what}")

    async def move_time(self, statement: str, order: Order) -> None:
        """Moves a time of the order into the past; the order service's job finds it within seconds."""

        def execute() -> None:
            with administration(self.order_database_url) as cursor:
                cursor.execute(statement, (order["id"],))

        await asyncio.to_thread(execute)


async def _expired(shop: DemoShop) -> None:
    order = await shop.placed(("OM-79321", 1))
    await shop.move_time(PAY_BY_IS_OVER, order)
    await shop.in_status(order, "expired")


async def _cancelled(shop: DemoShop) -> None:
    """A cancelled order that was paid, and so is refunded."""
    order = await shop.paid(("OM-22752", 1))
    await shop.customer.post("order", f"/orders/{order['id']}/cancel", {"reason": "ordered by mistake"})
    await shop.in_status(order, "cancelled")


async def _refunded(shop: DemoShop) -> None:
    """An order that staff refund in full before its dispatch, which cancels it."""
    order = await shop.paid((WITHDRAWN, 1))
    await shop.shipments(order)
    [payment] = await shop.staff.all("order", f"/orders/{order['id']}/payments")
    body = {"reason": "out of production"}
    await shop.staff.post("order", f"/payments/{payment['id']}/refunds", body, key=uuid4().hex)
    await shop.in_status(order, "cancelled")


async def _lost(shop: DemoShop) -> None:
    """An order of which the carrier lost the only parcel, so it is cancelled and refunded."""
    order = await shop.shipped(("OM-22633", 1))
    [shipment] = await shop.shipments(order)
    await shop.staff.post("inventory", f"/shipments/{shipment['id']}/lost", repeatable=True)
    await shop.in_status(order, "cancelled")


async def _partially_shipped(shop: DemoShop) -> None:
    """An order of products in two warehouses, of which one parcel was dispatched."""
    order = await shop.paid((LONDON_ONLY, 3), (MANCHESTER_ONLY, 1))
    await shop.dispatch(order, (await shop.shipments(order))[0])
    await shop.in_status(order, "partially_shipped")


async def _returned(shop: DemoShop) -> None:
    """An order of which everything was returned, restocked and refunded."""
    order = await shop.delivered(("OM-22720", 2))
    await shop.return_goods(order)
    await shop.in_status(order, "returned")


async def _completed(shop: DemoShop) -> None:
    order = await shop.delivered(("OM-84946", 6))
    await shop.move_time(RETURN_WINDOW_IS_OVER, order)
    await shop.in_status(order, "completed")


Place = Callable[[DemoShop], Awaitable[object]]
STATUSES: dict[str, Place] = {
    "awaiting_payment": lambda shop: shop.placed(("OM-22086", 2), ("OM-85123A", 4)),
    "paid": lambda shop: shop.paid(("OM-22423", 1)),
    "partially_shipped": _partially_shipped,
    "shipped": lambda shop: shop.shipped(("OM-22633", 2)),
    "delivered": lambda shop: shop.delivered(("OM-21212", 12), ("OM-22966", 1)),
    "completed": _completed,
    "returned": _returned,
    "rejected": lambda shop: shop.placed((SCARCE, 10), ("OM-21915", 1)),
    "cancelled": _cancelled,
    "expired": _expired,
}
PASSING = ("pending", "cancelling")
REFUNDED, LOST = "cancelled (refunded)", "cancelled (lost)"
MISHAPS: dict[str, Place] = {REFUNDED: _refunded, LOST: _lost}
ALL = STATUSES | MISHAPS


async def numbers(customer: Api) -> dict[str, str]:
    """Kind (a key of ALL) → the number of the customer's latest order of that kind."""
    found: dict[str, str] = {}
    async for page in customer.pages("order", "/orders"):
        for order in page:
            found.setdefault(_kind(order), order["number"])
    return found


def _kind(order: Order) -> str:
    if order["status"] == "cancelled" and order["fulfilment_status"] == "lost":
        return LOST
    if order["status"] == "cancelled" and order["lines"][0]["sku"] == WITHDRAWN:
        return REFUNDED
    return str(order["status"])


async def place_missing(shop: DemoShop, existing: Collection[str]) -> None:
    """Places an order of each kind in ALL of which the customer has none."""
    missing = [place for kind, place in ALL.items() if kind not in existing]
    await asyncio.gather(*(place(shop) for place in missing))


async def _until(read: Callable[[], Awaitable[Found]], holds: Callable[[Found], bool], what: str) -> Found:
    found = await poll(read, holds, seconds=TIMEOUT_SECONDS)
    if not holds(found):
        raise StackError(
            f"The demo waited {TIMEOUT_SECONDS:.0f} s in vain for {what}: see `make status` and `make logs`."
        )
    return found
