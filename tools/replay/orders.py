"""Places, pays, dispatches and delivers the order of each invoice, many at a time.

It polls no single order: a request to place one waits until stock is reserved, and one list has all new shipments."""

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
FIRST_PAUSE, LONGEST_PAUSE = 0.04, 0.5
# If an order has no parcel so many seconds after its payment, the payment is checked: the gateway may have been killed.
POLL_AFTER = 10.0
# After so many seconds without any progress, the run is stalled.
TIMEOUT_SECONDS = 90.0
# Errors that pass when the events about the order's customer and its products have arrived.
NOT_VISIBLE_YET = ("customer-unknown", "product-unavailable")


@dataclass(slots=True)
class OrderProgress:
    """The order of one invoice. `trouble`: the error because of which it was neither delivered nor rejected."""

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

    orders: list[OrderProgress]
    by_order: dict[str, OrderProgress] = field(default_factory=dict)
    seconds: float = 0.0


class _Stalled(Exception):
    pass


class Replayer:
    """Places, pays and ships the orders of all invoices. `advance` is called for each order that has ended."""

    def __init__(self, api: Api, ready: Ready, invoices: Sequence[Invoice], advance: Callable[[int], None]) -> None:
        self.run = Run([OrderProgress(invoice) for invoice in invoices])
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
        polling = asyncio.create_task(self._poll_shipments())
        tasks = [*shippers, placing, polling]
        try:
            ended, _ = await asyncio.wait([polling, *shippers], return_when=asyncio.FIRST_COMPLETED)
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
            await for_each(self.run.orders, self._place, at_once=PLACING)
        finally:
            self._placing = False

    async def _place(self, progress: OrderProgress) -> None:
        await self._slots.acquire()
        try:
            status = await self._placed(progress)
            if status == "awaiting_payment":
                await self._pay(progress)
                return
            progress.rejected = status == "rejected"
            progress.trouble = "" if progress.rejected else f"it is {status} after it was placed"
        except ApiError as error:
            progress.trouble = str(error)
        self._end(progress)

    async def _placed(self, progress: OrderProgress) -> str:
        """Places the order, waits until its stock is reserved or it is rejected, and returns its status."""
        order = await self._api.post(
            "order",
            "/orders",
            order_body(progress.invoice, self._ready),
            key=f"replay-{self._key}-{progress.invoice.number}",
            prefer=PREFER,
            wait_for=NOT_VISIBLE_YET,
        )
        progress.order_id, progress.number = order["id"], order["number"]
        self.run.by_order[progress.order_id] = progress
        self._under_way.add(progress.order_id)
        self._moved_at = time.monotonic()
        if order["status"] == "pending":  # longer than PREFER; `_Stalled` ends this if nothing makes progress
            path = f"/orders/{progress.order_id}"
            order = await poll(lambda: self._api.get("order", path), lambda now: now["status"] != "pending")
        return str(order["status"])

    async def _pay(self, progress: OrderProgress) -> None:
        """Pays, with a new idempotency key for each attempt."""
        progress.payments += 1
        key = f"replay-{self._key}-{progress.invoice.number}-payment-{progress.payments}"
        await self._api.post("order", f"/orders/{progress.order_id}/payments", {"token": CARD}, key=key)
        progress.poll_at = time.monotonic() + POLL_AFTER

    async def _retry_failed_payments(self) -> None:
        now = time.monotonic()
        for progress in [self.run.by_order[id] for id in self._under_way]:
            if progress.poll_at < now and not progress.shipments:
                progress.poll_at = now + POLL_AFTER
                try:
                    payments = await self._api.all("order", f"/orders/{progress.order_id}/payments")
                    if all(payment["status"] == "failed" for payment in payments):
                        await self._pay(progress)
                except ApiError as error:
                    progress.trouble = str(error)
                    self._end(progress)

    # --- shipping ---

    async def _poll_shipments(self) -> None:
        """Polls the new shipments of all orders, less often while there are none. Raises: _Stalled, ApiError."""
        pause = FIRST_PAUSE
        while self._placing or self._under_way:
            new = await self._queue_new() if self._under_way and self._to_ship.qsize() < SHIPPING else 0
            await self._retry_failed_payments()
            pause = FIRST_PAUSE if new or self._to_ship.qsize() else min(pause * 1.5, LONGEST_PAUSE)
            if time.monotonic() - self._moved_at > TIMEOUT_SECONDS:
                raise _Stalled
            await asyncio.sleep(pause)

    async def _queue_new(self) -> int:
        """Adds new shipments to the queue. Returns their number."""
        before = len(self._seen)
        async for page in self._api.pages("inventory", "/shipments", status="created", sort="created_at"):
            for shipment in page:
                # The list also has shipments of other orders, and known ones until they are dispatched.
                if shipment["order_id"] in self._under_way and shipment["id"] not in self._seen:
                    self._seen.add(shipment["id"])
                    self._to_ship.put_nowait(shipment)
        return len(self._seen) - before

    async def _ship_each(self) -> None:
        while True:
            shipment = await self._to_ship.get()
            progress = self.run.by_order[shipment["order_id"]]
            try:
                await self._ship(shipment, progress)
            except ApiError as error:
                progress.trouble = str(error)
                self._end(progress)

    async def _ship(self, shipment: Mapping[str, Any], progress: OrderProgress) -> None:
        path = f"/shipments/{shipment['id']}"
        body = {"carrier": CARRIER, "tracking_number": f"OR-{progress.number}-{progress.shipments + 1}"}
        progress.shipments += 1
        await self._api.post("inventory", f"{path}/dispatch", body, repeatable=True)
        await self._api.post("inventory", f"{path}/deliver", repeatable=True)
        progress.delivered += 1
        if progress.delivered == shipment["shipments_of_order"]:
            self._end(progress)

    def _end(self, progress: OrderProgress) -> None:
        if progress.ended:  # it failed with another of its shipments
            return
        progress.ended = True
        self._under_way.discard(progress.order_id)
        self._moved_at = time.monotonic()
        self._slots.release()
        self._advance(1)

    def _give_up(self) -> None:
        for progress in self.run.orders:
            if not progress.order_id and not progress.trouble:
                progress.trouble = f"not placed: nothing has moved for {TIMEOUT_SECONDS:.0f} s"
            elif progress.order_id in self._under_way:
                progress.trouble = f"nothing has moved for {TIMEOUT_SECONDS:.0f} s"


def order_body(invoice: Invoice, ready: Ready) -> dict[str, Any]:
    """The lines of the invoice in their order, never merged, at the invoice's prices."""
    method = ready.terms.shipping_method
    return {
        **({"shipping_method": method} if method else {}),
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
