"""What the tests do with a running inventory service: deliver events, book stock, and check its sums."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts.address import Address
from contracts.events.base import Event
from contracts.events.inventory_deduction import (
    FulfilmentRefunded,
    FulfilmentRequested,
    InventoryRequest,
    ReleaseRequested,
    ReservationRequested,
    ReturnExpected,
)
from contracts.events.products import ProductChanged
from contracts.quantity import ProductQuantity
from inventory_service.reservations import consumers
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Envelope, Record, encode
from tests.harness.service import Served

Lines = Sequence[tuple[UUID, int]]
SHIP_TO = Address(name="Ada Lovelace", line1="12 St James's Square", city="London", country="GB")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

BOOKS = """
SELECT product_id, warehouse_id, on_hand, reserved, dated, expired,
       coalesce((SELECT sum(quantity) FROM stock_batches AS b
                 WHERE (b.product_id, b.warehouse_id) = (stock.product_id, stock.warehouse_id)), 0)::bigint AS batches,
       coalesce((SELECT sum(quantity) FROM stock_movements AS m
                 WHERE (m.product_id, m.warehouse_id) = (stock.product_id, stock.warehouse_id)), 0)::bigint AS moved,
       coalesce((SELECT sum(quantity) FROM reservation_lines AS l
                 WHERE (l.product_id, l.warehouse_id) = (stock.product_id, stock.warehouse_id)), 0)::bigint AS held
FROM stock
"""


def reservation(order_id: UUID, lines: Lines, minutes: int = 60, only: UUID | None = None) -> ReservationRequested:
    until = utcnow() + timedelta(minutes=minutes)
    return ReservationRequested(
        order_id=order_id, lines=_lines(lines), reserved_until=until, only_warehouse_id=only, version=1
    )


def release(order_id: UUID) -> ReleaseRequested:
    return ReleaseRequested(order_id=order_id, reason="cancelled", version=2)


def fulfilment(order_id: UUID, lines: Lines, customer_id: UUID | None = None, **more: Any) -> FulfilmentRequested:
    return FulfilmentRequested(
        order_id=order_id,
        customer_id=customer_id or uuid4(),
        number="100042",
        lines=_lines(lines),
        ship_to=SHIP_TO,
        version=3,
        **more,
    )


def refunded(order_id: UUID, *, refunded: bool = True) -> FulfilmentRefunded:
    return FulfilmentRefunded(order_id=order_id, refunded=refunded, version=4)


def expected(order_id: UUID, lines: Lines, customer_id: UUID | None = None) -> ReturnExpected:
    return ReturnExpected(
        order_id=order_id,
        return_id=uuid7(),
        customer_id=customer_id or uuid4(),
        number="100042",
        lines=_lines(lines),
        version=9,
    )


def _lines(lines: Lines) -> list[ProductQuantity]:
    return [ProductQuantity(product_id=product_id, quantity=quantity) for product_id, quantity in lines]


class Inventory:
    """A running inventory service, and a member of its staff."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.runtime = served.runtime
        self.staff = served.caller(role="Admin")
        self._offsets = itertools.count()

    async def deliver(self, *events: Event, ids: Sequence[UUID] | None = None) -> None:
        """Handles the events as the consumer does with events from Kafka: those of each topic in one batch."""
        records: dict[str, list[Record]] = {}
        for event, id in zip(events, ids or [uuid7() for _ in events], strict=True):
            records.setdefault(event.topic.name, []).append(self._record(event, id))
        for topic, batch in records.items():
            messaging = self.runtime.messaging
            await messaging.processor.process(messaging.subscriptions[topic], batch)

    async def answer(self, *requests: InventoryRequest) -> None:
        """Calls the handler with one batch, once: unlike `deliver`, an error such as a deadlock is raised."""
        envelopes = [Envelope(uuid7(), each.type, each.source, each.subject, utcnow()) for each in requests]
        async with self.runtime.database.transaction() as tx:
            await consumers.on_requests(tx, list(requests), envelopes)

    async def product(self, **changes: Any) -> UUID:
        """A product whose event was delivered."""
        product_id: UUID = changes.pop("product_id", None) or uuid7()
        number = str(product_id)[-6:]
        fields = {"sku": f"SKU-{number}", "name": f"Product {number}", "slug": number, "status": "active", "version": 1}
        await self.deliver(ProductChanged(product_id=product_id, prices=[], **{**fields, **changes}))
        return product_id

    async def warehouse(self) -> UUID:
        answer = await self.staff.post("/warehouses", json={"code": str(uuid4())[:8], "name": "A warehouse"})
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    async def receive(self, warehouse_id: UUID, *lines: tuple[UUID, int]) -> dict[str, Any]:
        return await self.book_in(
            warehouse_id, *({"product_id": str(product_id), "quantity": quantity} for product_id, quantity in lines)
        )

    async def book_in(self, warehouse_id: UUID, *lines: dict[str, Any]) -> dict[str, Any]:
        """A receipt of lines with more fields than product and quantity."""
        body = {"warehouse_id": str(warehouse_id), "lines": list(lines)}
        answer = await self.staff.post("/stock/receipts", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def stocked(self, quantity: int) -> tuple[UUID, UUID]:
        """(product, warehouse) with this many pieces."""
        product_id, warehouse_id = await self.product(), await self.warehouse()
        await self.receive(warehouse_id, (product_id, quantity))
        return product_id, warehouse_id

    async def level(self, product_id: UUID) -> tuple[int, int]:
        """(on hand, reserved), over all warehouses."""
        answer = await self.staff.get("/stock", params={"product_id": str(product_id), "limit": 100})
        items = answer.json()["items"]
        return sum(item["on_hand"] for item in items), sum(item["reserved"] for item in items)

    async def shipments(self, order_id: UUID) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.staff.get("/shipments", params={"order_id": str(order_id)})).json()[
            "items"
        ]
        return found

    async def status(self, order_id: UUID) -> str:
        return str((await self.staff.get(f"/reservations/{order_id}")).json()["status"])

    async def dispatch(self, shipment_id: object, tracking_number: str = "RM1") -> Any:
        body = {"carrier": "Royal Mail", "tracking_number": tracking_number}
        return await self.staff.post(f"/shipments/{shipment_id}/dispatch", json=body)

    async def dispatch_all(self, *shipment_ids: object, tracking_number: str = "RM1") -> list[dict[str, Any]]:
        parcels = [
            {"shipment_id": str(each), "carrier": "Royal Mail", "tracking_number": tracking_number}
            for each in shipment_ids
        ]
        answer = await self.staff.post("/dispatches", json={"parcels": parcels})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        assert [each["shipment_id"] for each in found] == [str(each) for each in shipment_ids]
        return found

    async def take_back(self, return_id: UUID, warehouse_id: UUID, *lines: tuple[UUID, int, int]) -> Any:
        """`lines`: (product, pieces to restock, pieces to scrap)."""
        came = [{"product_id": str(id), "restock": good, "scrap": bad} for id, good, bad in lines]
        body = {"warehouse_id": str(warehouse_id), "lines": came}
        return await self.staff.post(f"/returns/{return_id}/receive", json=body)

    async def emitted(self, order_id: UUID | None = None) -> list[str]:
        """The short types of all published events, or of those of one order."""
        events = await self.served.events()
        return [
            event.type.removeprefix("mart.").removesuffix(".v1")
            for event in events
            if order_id is None or getattr(event, "order_id", None) == order_id
        ]

    async def check_books(self) -> None:
        """Movements add up to the stock, and reservation lines to what is reserved; nothing is negative or oversold."""
        async with self.runtime.database.connection() as hot:
            for row in await hot.fetch(BOOKS):
                assert row["moved"] == row["on_hand"], dict(row)
                assert row["held"] == row["reserved"], dict(row)
                assert row["batches"] == row["dated"], dict(row)
                assert 0 <= row["expired"] <= row["dated"] <= row["on_hand"], dict(row)
                assert 0 <= row["reserved"] <= row["on_hand"], dict(row)

    def _record(self, event: Event, id: UUID) -> Record:
        envelope = Envelope(id, event.type, event.source, event.subject, utcnow(), TRACEPARENT)
        return Record(
            topic=event.topic.name,
            partition=0,
            offset=next(self._offsets),
            key=event.key.encode(),
            headers=encode(envelope),
            value=event.model_dump_json().encode(),
        )
