"""Each invoice's way: placed, paid, dispatched, delivered; many at a time, none of them asked about twice.

Nobody asks for a single order: placing answers when stock is decided, and one look at the list of shipments that wait
to be dispatched serves all orders at once."""

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

# Orders under way at the same time, and requests of each kind.
IN_FLIGHT, PLACING, SHIPPING = 64, 16, 8
PREFER = "wait=30"
CARD = "tok_ok"
CARRIER = "Royal Mail"
FIRST_LOOK, LONGEST_LOOK = 0.04, 0.5
# So long after a payment without a parcel, we ask what became of it: a gateway that died may never have charged.
POLL_AFTER = 10.0
# Without any progress for so long, work in progress is stalled.
TIMEOUT_SECONDS = 90.0
# What an order that was just placed may still have to wait for: events about its customer and its products.
NOT_VISIBLE_YET = ("customer-unknown", "product-unavailable")


@dataclass(slots=True)
class Way:
    """One invoice's order. `trouble`: why it went no further."""

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
    """All orders of one run, as they are now."""

    ways: list[Way]
    by_order: dict[str, Way] = field(default_factory=dict)
    seconds: float = 0.0


class _Stalled(Exception):
    pass


class Replayer:
    """`advance` is called whenever an order has reached its end."""

    def __init__(self, api: Api, ready: Ready, invoices: Sequence[Invoice], advance: Callable[[int], None]) -> None:
        self.run = Run([Way(invoice) for invoice in invoices])
        self._api = api
        self._ready = ready
        self._advance = advance
        self._key = uuid4().hex  # new for each run: a second one adds a second month
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._to_ship: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._seen: set[str] = set()
        self._under_way: set[str] = set()
        self._placing = True
        self._moved_at = time.monotonic()

    async def replay(self) -> Run:
        """Ends when every order has its end, or nothing moves any more. Raises: ApiUnreachable."""
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
        """Places the order and waits for the stock to be decided; its status."""
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
        """Each attempt has a key of its own; one that failed is followed by another."""
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
        """One look serves all orders; more seldom while there is nothing new. Raises: _StandsStill, and the API's."""
        pause = FIRST_LOOK
        while self._placing or self._under_way:
            new = await self._look() if self._under_way and self._to_ship.qsize() < SHIPPING else 0
            await self._pay_again_what_failed()
            pause = FIRST_LOOK if new or self._to_ship.qsize() else min(pause * 1.5, LONGEST_LOOK)
            if time.monotonic() - self._moved_at > TIMEOUT_SECONDS:
                raise _Stalled
            await asyncio.sleep(pause)

    async def _look(self) -> int:
        """How many new shipments there are."""
        before = len(self._seen)
        async for page in self._api.pages("inventory", "/shipments", status="created", sort="created_at"):
            for shipment in page:
                # Others' shipments lie there too, and our own until they are dispatched.
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
        if way.ended:  # by another of its shipments
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
    """The lines as they are in the invoice, in its order and never merged, at the prices that it says."""
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
