"""Places, pays, dispatches and delivers the order of each invoice, many at a time.

It does not poll single orders: the answer to placing waits until stock is reserved, and one list of the shipments that
are to be dispatched serves all orders."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tools.api import Api, ApiError, for_each, poll
from tools.replay.countries import country_code
from tools.replay.preparation import CURRENCY, Ready, email_of, name_of
from tools.replay.sales import Invoice

# Limits of concurrency: orders in progress, requests to place orders, and requests to ship.
IN_FLIGHT, PLACING, SHIPPING = 64, 16, 8
PREFER = "wait=30"
CARD = "tok_ok"
CARRIER = "Royal Mail"
FIRST_LOOK, LONGEST_LOOK = 0.04, 0.5
# If an order has no parcel so long after its payment, the payment is checked: a killed gateway may never have charged.
POLL_AFTER = 10.0
# After so long without any progress, the run is stalled.
TIMEOUT_SECONDS = 90.0
# Errors that pass when the events about the order's customer and its products have arrived.
NOT_VISIBLE_YET = ("customer-unknown", "product-unavailable")


@dataclass(slots=True)
class Way:
    """The order of one invoice. `trouble`: the reason why it did not reach its end."""

    invoice: Invoice
    order_id: str = ""
    number: str = ""
    rejected: bool = False
    trouble: str = ""
    payments: int = 0
    poll_at: float = math.inf
    shipments: int = 0
    delivered: int = 0
    ended: bool = False


@dataclass(slots=True)
class Run:
    """All orders of one run, and their progress."""

    ways: list[Way]
    by_order: dict[str, Way] = field(default_factory=dict)
    seconds: float = 0.0


class _Stalled(Exception):
    pass


class Replayer:
    """Places, pays and ships the orders of all invoices. `advance` is called for each order that has ended."""

    def __init__(self, api: Api, ready: Ready, invoices: Sequence[Invoice], advance: Callable[[int], None]) -> None:
        self.run = Run([Way(invoice) for invoice in invoices])
        self._api = api
        self._ready = ready
        self._advance = advance
        self._key = uuid4().hex  # new for each run, so that a second run places new orders
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._to_ship: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._seen: set[str] = set()
        self._under_way: set[str] = set()
        self._placing = True
        self._moved_at = time.monotonic()

    async def replay(self) -> Run:
        """Returns when every order has ended, or the run is stalled. Raises: ApiUnreachable."""
        started = time.monotonic()
        shippers = [asyncio.create_task(self._ship_each()) for _ in range(SHIPPING)]
        placing = asyncio.create_task(self._place_all())
        looking = asyncio.create_task(self._look_for_shipments())
        tasks = [*shippers, placing, looking]
        try:
            ended, _ = await asyncio.wait([looking, *shippers], return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
            await placing
        except _Stalled:
            self._give_up()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.run.seconds = time.monotonic() - started
        return self.run

    # --- placing and paying ---

    async def _place_all(self) -> None:
        try:
            await for_each(self.run.ways, self._place, at_once=PLACING)
        finally:
            self._placing = False

    async def _place(self, way: Way) -> None:
        await self._slots.acquire()
        try:
            status = await self._placed(way)
            if status == "awaiting_payment":
                await self._pay(way)
                return
            way.rejected = status == "rejected"
            way.trouble = "" if way.rejected else f"it is {status} after it was placed"
        except ApiError as error:
            way.trouble = str(error)
        self._end(way)

    async def _placed(self, way: Way) -> str:
        """Places the order, waits until its stock is reserved or it is rejected, and returns its status."""
        order = await self._api.post(
            "order",
            "/orders",
            order_body(way.invoice, self._ready),
            key=f"replay-{self._key}-{way.invoice.number}",
            prefer=PREFER,
            wait_for=NOT_VISIBLE_YET,
        )
        way.order_id, way.number = order["id"], order["number"]
        self.run.by_order[way.order_id] = way
        self._under_way.add(way.order_id)
        self._moved_at = time.monotonic()
        if order["status"] == "pending":  # longer than PREFER; `_Stalled` ends this if nothing makes progress
            path = f"/orders/{way.order_id}"
            order = await poll(lambda: self._api.get("order", path), lambda now: now["status"] != "pending")
        return str(order["status"])

    async def _pay(self, way: Way) -> None:
        """Each attempt has its own idempotency key."""
        way.payments += 1
        key = f"replay-{self._key}-{way.invoice.number}-payment-{way.payments}"
        await self._api.post("order", f"/orders/{way.order_id}/payments", {"token": CARD}, key=key)
        way.poll_at = time.monotonic() + POLL_AFTER

    async def _pay_again_what_failed(self) -> None:
        now = time.monotonic()
        for way in [self.run.by_order[id] for id in self._under_way]:
            if way.poll_at < now and not way.shipments:
                way.poll_at = now + POLL_AFTER
                try:
                    payments = await self._api.all("order", f"/orders/{way.order_id}/payments")
                    if all(payment["status"] == "failed" for payment in payments):
                        await self._pay(way)
                except ApiError as error:
                    way.trouble = str(error)
                    self._end(way)

    # --- shipping ---

    async def _look_for_shipments(self) -> None:
        """Polls the new shipments of all orders, less often while there are none. Raises: _Stalled, ApiError."""
        pause = FIRST_LOOK
        while self._placing or self._under_way:
            new = await self._look() if self._under_way and self._to_ship.qsize() < SHIPPING else 0
            await self._pay_again_what_failed()
            pause = FIRST_LOOK if new or self._to_ship.qsize() else min(pause * 1.5, LONGEST_LOOK)
            if time.monotonic() - self._moved_at > TIMEOUT_SECONDS:
                raise _Stalled
            await asyncio.sleep(pause)

    async def _look(self) -> int:
        """Queues new shipments; returns their number."""
        before = len(self._seen)
        async for page in self._api.pages("inventory", "/shipments", status="created", sort="created_at"):
            for shipment in page:
                # The list also has shipments of other orders, and our own until they are dispatched.
                if shipment["order_id"] in self._under_way and shipment["id"] not in self._seen:
                    self._seen.add(shipment["id"])
                    self._to_ship.put_nowait(shipment)
        return len(self._seen) - before

    async def _ship_each(self) -> None:
        while True:
            shipment = await self._to_ship.get()
            way = self.run.by_order[shipment["order_id"]]
            try:
                await self._ship(shipment, way)
            except ApiError as error:
                way.trouble = str(error)
                self._end(way)

    async def _ship(self, shipment: Mapping[str, Any], way: Way) -> None:
        path = f"/shipments/{shipment['id']}"
        body = {"carrier": CARRIER, "tracking_number": f"OR-{way.number}-{way.shipments + 1}"}
        way.shipments += 1
        await self._api.post("inventory", f"{path}/dispatch", body, repeatable=True)
        await self._api.post("inventory", f"{path}/deliver", repeatable=True)
        way.delivered += 1
        if way.delivered == shipment["shipments_of_order"]:
            self._end(way)

    def _end(self, way: Way) -> None:
        if way.ended:  # already, by a failure of another of its shipments
            return
        way.ended = True
        self._under_way.discard(way.order_id)
        self._moved_at = time.monotonic()
        self._slots.release()
        self._advance(1)

    def _give_up(self) -> None:
        for way in self.run.ways:
            if not way.order_id and not way.trouble:
                way.trouble = f"not placed: nothing has moved for {TIMEOUT_SECONDS:.0f} s"
            elif way.order_id in self._under_way:
                way.trouble = f"nothing has moved for {TIMEOUT_SECONDS:.0f} s"


def order_body(invoice: Invoice, ready: Ready) -> dict[str, Any]:
    """The lines of the invoice in their order, never merged, at the invoice's prices."""
    return {
        "customer_id": ready.customers[email_of(invoice)],
        "lines": [
            {
                "product_id": ready.products[line.sku],
                "quantity": line.quantity,
                "agreed_unit_price": {"amount": line.unit_price, "currency": CURRENCY},
            }
            for line in invoice.lines
        ],
        "ship_to": {
            "name": name_of(invoice),
            "line1": f"Invoice {invoice.number}",
            "city": invoice.country,
            "country": country_code(invoice.country),
        },
    }
