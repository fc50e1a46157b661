"""An order service that knows a catalogue and customers, and what tests say to it as other services would."""

import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.events import inventory_deduction as answers
from contracts.events import shipment_notification as parcels
from contracts.events.base import Event
from contracts.events.products import ProductChanged, ScheduledPrice
from contracts.events.users import UserChanged
from contracts.quantity import LineQuantity
from order_service.orders import queries
from order_service.orders.lifecycle import Cause
from order_service.orders.models import Actor
from order_service.payments import refunds
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Envelope, Record, encode
from tests.harness.service import Caller, Served, serve

SHIP_TO = {"name": "Ada King", "line1": "12 St James's Square", "city": "London", "country": "GB"}


class Shop:
    """The service under test, with the words of its callers and its neighbours."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.runtime = served.runtime
        self.customer = served.caller()
        self.staff = served.caller(role="SubAdmin")
        self._versions = 0
        self._offsets = itertools.count()

    async def deliver(self, *events: Event, ids: Sequence[UUID] | None = None) -> None:
        """As the consumer would take them from Kafka: each topic's events as one batch."""
        records: dict[str, list[Record]] = {}
        for event, id in zip(events, ids or [uuid7() for _ in events], strict=True):
            records.setdefault(event.topic.name, []).append(self.record(event, id))
        messaging = self.runtime.messaging
        for topic, batch in records.items():
            await messaging.processor.process(messaging.subscriptions[topic], batch)
        assert await self.execute("SELECT error FROM parked_events") is None

    def record(self, event: Event, id: UUID) -> Record:
        envelope = Envelope(id, event.type, event.source, event.subject, utcnow(), None)
        return Record(
            topic=event.topic.name,
            partition=0,
            offset=next(self._offsets),
            key=event.key.encode(),
            headers=encode(envelope),
            value=event.model_dump_json().encode(),
        )

    async def product(
        self, amount: int | None = 1000, *, status: Any = "active", prices: Sequence[ScheduledPrice] = (), **more: Any
    ) -> UUID:
        """A product that costs so much, or has these prices."""
        product_id: UUID = more.pop("product_id", None) or uuid7()
        usual = [] if amount is None else [scheduled(amount)]
        event = ProductChanged(
            product_id=product_id,
            version=more.pop("version", 1),
            sku=more.pop("sku", f"SKU-{str(product_id)[-6:]}"),
            name=more.pop("name", "A mug"),
            slug="a-mug",
            status=status,
            prices=list(prices) or usual,
            **more,
        )
        await self.deliver(event)
        return product_id

    async def known_customer(self, *, active: bool = True) -> UUID:
        user_id = uuid4()
        await self.deliver(
            UserChanged(
                user_id=user_id,
                version=1,
                email="ada@example.org",
                full_name="Ada King",
                roles=["User"],
                email_verified=True,
                active=active,
            )
        )
        return user_id

    async def place(
        self,
        *product_ids: UUID,
        by: Caller | None = None,
        key: str | None = None,
        prefer: str | None = None,
        **body: Any,
    ) -> httpx.Response:
        lines = [{"product_id": str(product_id), "quantity": 2} for product_id in product_ids]
        headers = {"Idempotency-Key": key or str(uuid4()), **({"Prefer": prefer} if prefer else {})}
        whole = {"ship_to": SHIP_TO, **({"lines": lines} if lines else {}), **body}
        return await (by or self.customer).post("/orders", json=whole, headers=headers)

    async def placed(self, **body: Any) -> UUID:
        """A pending order of two mugs, 2000 in all."""
        answer = await self.place(await self.product(), **body)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    async def accepted(self, **body: Any) -> UUID:
        """An order that awaits payment."""
        order_id = await self.placed(**body)
        await self.accept(order_id)
        return order_id

    async def accept(self, *order_ids: UUID) -> None:
        until = utcnow() + timedelta(days=1)
        await self.deliver(
            *(answers.ReservationAccepted(order_id=id, version=1, reserved_until=until) for id in order_ids)
        )

    async def paid(self) -> UUID:
        order_id = await self.accepted()
        await self.capture(order_id, 2000)
        return order_id

    async def capture(self, order_id: UUID, captured_total: int) -> int:
        """As the payments do when money has arrived; what the order doesn't want of it."""
        async with self.runtime.database.transaction() as tx:
            order = await queries.lock(tx, order_id)
            assert order is not None
            unwanted = order.capture(captured_total, Cause(utcnow(), Actor.PAYMENTS))
            await refunds.save(tx, [order])
            return unwanted

    async def order(self, order_id: UUID) -> dict[str, Any]:
        found: dict[str, Any] = (await self.staff.get(f"/orders/{order_id}")).json()
        return found

    async def status(self, order_id: UUID) -> str:
        return str((await self.order(order_id))["status"])

    async def history(self, order_id: UUID) -> list[dict[str, Any]]:
        found = await self.staff.get(f"/orders/{order_id}/history", params={"limit": 100})
        items: list[dict[str, Any]] = found.json()["items"]
        return items

    async def emitted(self, order_id: UUID) -> list[str]:
        """The types of what was published about an order, in order, shortened."""
        return [
            event.type.removeprefix("mart.").removesuffix(".v1")
            for event in await self.served.events()
            if event.key == str(order_id)
        ]

    async def execute(self, sql: str, *values: Any) -> Any:
        async with self.runtime.database.connection() as connection:
            return await connection.fetchval(sql, *values)

    def parcel(self, order_id: UUID, kind: type[parcels.ShipmentEvent], id: UUID, *, of: int = 1) -> Event:
        """What inventory says about a parcel of an order that has `of` of them."""
        self._versions += 1
        sent = {"carrier": "Post", "tracking_number": "T1"} if kind is parcels.ShipmentDispatched else {}
        return kind(
            shipment_id=id,
            order_id=order_id,
            version=self._versions,
            user_id=self.customer.user_id,
            number="1",
            warehouse_id=uuid4(),
            shipments_of_order=of,
            lines=[LineQuantity(product_id=uuid4(), quantity=1)],
            **sent,
        )


def scheduled(
    amount: int,
    *,
    currency: str = "GBP",
    min_quantity: int = 1,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> ScheduledPrice:
    return ScheduledPrice(
        amount=amount,
        currency=currency,
        min_quantity=min_quantity,
        starts_at=starts_at or utcnow() - timedelta(days=1),
        ends_at=ends_at,
    )


def secrets() -> dict[str, str]:
    return {"gateway_api_key": "key-of-these-tests", "gateway_webhook_secret": "secret-of-these-tests"}


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """Without limits on what is unpaid: `orders/test_limits.py` has them."""
    async with serve("order_service", limits=False, **secrets()) as served:
        yield Shop(served)
