"""An empty database is recovered from events: those that the service published and those of others."""

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import inventory_deduction as answers
from contracts.events import shipment_notification as parcels
from contracts.events.base import Event
from contracts.events.products import ProductChanged, ScheduledPrice
from contracts.events.users import UserChanged
from contracts.quantity import LineQuantity
from order_service.tests.payments.conftest import SHIP_TO, Shop, gateway, shop
from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.ids import uuid7
from service_kit.recovery import JUMP, Entry, Journal
from tests.harness.recovery import entry_of, published_by, recover, restored_database, unpublished

__all__ = ["gateway", "shop"]

TABLES = {
    "orders": "id, number, customer_id, status, fulfilment_status, currency, total, captured, refunded, refunding, "
    "pay_by, ship_to",
    "order_lines": "order_id, position, product_id, sku, name, quantity, unit_price",
    "payments": "id, order_id, amount, status, gateway, gateway_charge_id, failure_reason",
    "refunds": "id, payment_id, order_id, amount, status, gateway_refund_id, return_id, reason",
    "returns": "id, order_id, status, lines, reason, worth, to_refund",
    "order_shipments": "id, order_id, status, shipments_of_order, carrier, tracking_number, lines, version",
}
DRAFT = """
INSERT INTO drafts (id, customer_id, content, status, expires_at, version, created_by, created_at)
VALUES ($1, $2, '{}', 'open', now() + interval '1 day', 1, $2, now())
"""


class Life:
    """Orders in all kinds of states, in a service that gets events of others, which it records."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.others: list[Entry] = []
        self._product = uuid7()
        self._versions = itertools.count(1)

    async def handle(self, *events: Event) -> None:
        for event in events:
            await self.handle_batch(event)

    async def handle_batch(self, *events: Event) -> None:
        """Events of one topic, handled in one transaction."""
        entries = [entry_of(event) for event in events]
        self.others += entries
        messaging = self.shop.runtime.messaging
        subscription = messaging.subscriptions[events[0].topic.name]
        await messaging.processor.process(subscription, [entry.record for entry in entries])

    async def open(self) -> None:
        price = ScheduledPrice(amount=500, currency="GBP", starts_at=utcnow() - timedelta(days=1))
        fields: dict[str, Any] = {"sku": "M1", "name": "A mug", "slug": "a-mug", "status": "active"}
        await self.handle(ProductChanged(product_id=self._product, version=1, prices=[price], **fields))

    async def placed(self, **body: Any) -> UUID:
        body = {"ship_to": SHIP_TO, "lines": [{"product_id": str(self._product), "quantity": 2}], **body}
        made = await self.shop.customer.post("/orders", json=body, headers={"Idempotency-Key": str(uuid4())})
        assert made.status_code == 201, made.text
        return UUID(made.json()["id"])

    async def accepted(self, **body: Any) -> UUID:
        order_id = await self.placed(**body)
        until = utcnow() + timedelta(days=1)
        await self.handle(answers.ReservationAccepted(order_id=order_id, version=1, reserved_until=until))
        return order_id

    async def paid(self, *, pieces: int = 2) -> tuple[UUID, str]:
        order_id = await self.accepted(lines=[{"product_id": str(self._product), "quantity": pieces}])
        opened = (await self.shop.pay(order_id)).json()
        return order_id, str((await self.shop.verified(opened["id"]))["id"])

    async def parcel(self, order_id: UUID, *kinds: type[parcels.ShipmentEvent]) -> None:
        steps: list[type[parcels.ShipmentEvent]] = [parcels.ShipmentCreated, parcels.ShipmentDispatched, *kinds]
        for kind in steps:
            await self.handle(self.step_of_parcel(kind, order_id, order_id))

    def step_of_parcel(
        self, kind: type[parcels.ShipmentEvent], order_id: UUID, shipment_id: UUID, *, parcels_of_order: int = 1
    ) -> Event:
        """One parcel has two pieces; of several each has one."""
        sent = {"carrier": "Post", "tracking_number": "T1"} if kind is parcels.ShipmentDispatched else {}
        quantity = 2 if parcels_of_order == 1 else 1
        return kind(
            shipment_id=shipment_id,
            order_id=order_id,
            version=next(self._versions),
            customer_id=self.shop.customer.user_id,
            number="1",
            warehouse_id=uuid4(),
            shipments_of_order=parcels_of_order,
            lines=[LineQuantity(product_id=self._product, quantity=quantity, position=1)],
            **sent,
        )

    async def returned(self, order_id: UUID) -> None:
        body = {"lines": [{"product_id": str(self._product), "quantity": 2}], "reason": "too small"}
        path, headers = f"/orders/{order_id}/returns", {"Idempotency-Key": str(uuid4())}
        asked = (await self.shop.customer.post(path, json=body, headers=headers)).json()
        assert (await self.shop.staff.post(f"/returns/{asked['id']}/approve")).status_code == 200
        came = parcels.ReceivedLine(product_id=self._product, restocked=2, scrapped=0)
        back: dict[str, Any] = {"return_id": asked["id"], "order_id": order_id, "number": "1", "version": 2}
        customer = self.shop.customer.user_id
        await self.handle(parcels.ReturnReceived(**back, customer_id=customer, warehouse_id=uuid4(), lines=[came]))


@pytest.fixture
async def life(shop: Shop) -> Life:
    life = Life(shop)
    await life.open()
    return life


@pytest.fixture
async def restored() -> AsyncIterator[Database]:
    async with restored_database("order_service") as database:
        yield database


async def _recover(life: Life, restored: Database) -> Journal:
    return await recover(life.shop.runtime, restored, life.others)


async def _rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    async with database.connection() as connection:
        return {
            table: [dict(row) for row in await connection.fetch(f"SELECT {columns} FROM {table} ORDER BY 1, 2")]
            for table, columns in TABLES.items()
        }


async def test_orders_payments_refunds_and_returns_are_what_they_were(life: Life, restored: Database) -> None:
    delivered, _ = await life.paid()
    await life.parcel(delivered, parcels.ShipmentDelivered)
    await life.returned(delivered)
    lost, _ = await life.paid()
    await life.parcel(lost, parcels.ShipmentLost)
    refunded, payment_id = await life.paid()
    await life.shop.refund(payment_id)
    await life.handle(answers.ReservationReleased(order_id=refunded, version=2))
    _, payment_id = await life.paid()
    await life.shop.refund(payment_id, 100)
    cancelled = await life.placed()
    assert (await life.shop.customer.post(f"/orders/{cancelled}/cancel", json={"reason": "a mistake"})).is_success
    rejected = await life.placed()
    await life.handle(answers.ReservationRejected(order_id=rejected, version=1, lines=[]))
    declined = await life.accepted()
    await life.shop.verified((await life.shop.pay(declined, "tok_declined")).json()["id"])
    await life.placed()
    await life.shop.carry_out_refunds()

    journal = await _recover(life, restored)

    assert not [what for what in journal.found if "not " in what], journal.found
    assert await _rows(restored) == await _rows(life.shop.runtime.database)
    assert await unpublished(restored) == []


async def test_what_follows_from_an_event_at_once_is_replayed_after_it(life: Life, restored: Database) -> None:
    order_id = await life.placed()
    await life.handle(answers.ReservationRejected(order_id=order_id, version=1, lines=[]))
    rejected = (await published_by(life.shop.runtime))[-1].envelope
    just_before = rejected.time - timedelta(microseconds=9)
    life.others[-1] = life.others[-1]._replace(envelope=life.others[-1].envelope._replace(time=just_before))

    journal = await _recover(life, restored)

    assert rejected.type == "mart.order.rejected.v1"
    assert not [what for what in journal.found if "not " in what], journal.found


async def test_transfers_that_staff_recorded_are_not_asked_of_a_gateway(life: Life, restored: Database) -> None:
    account: dict[str, Any] = {"email": "ada@example.org", "full_name": "Ada", "roles": ["User"], "active": True}
    await life.handle(UserChanged(user_id=life.shop.customer.user_id, version=1, email_verified=True, **account))
    paid, ended = await life.accepted(payment="bank_transfer"), await life.placed()
    assert (await life.shop.customer.post(f"/orders/{ended}/cancel", json={})).is_success
    for order_id, reference in ((paid, "E2E-1"), (ended, "E2E-2")):
        body = {"amount": 1000, "reference": reference, "reason": "your transfer", "received_on": "2026-11-27"}
        headers = {"Idempotency-Key": reference}
        made = await life.shop.staff.post(f"/orders/{order_id}/bank-transfers", json=body, headers=headers)
        assert made.status_code == 201, made.text

    await _recover(life, restored)

    rows = await _rows(restored)
    assert rows == await _rows(life.shop.runtime.database)
    assert {row["gateway"] for row in rows["payments"]} == {"bank_transfer"}
    assert [row["status"] for row in rows["refunds"]] == ["requested"], "staff still have to make it"


@pytest.mark.parametrize("pieces", [2, 3], ids=["every parcel", "two of three parcels"])
async def test_one_refund_of_parcels_that_were_lost_together_is_not_made_again(
    life: Life, restored: Database, pieces: int
) -> None:
    """The service handled both losses in one batch, and the replay handles them one by one."""
    order_id, _ = await life.paid(pieces=pieces)
    sent = [uuid7() for _ in range(pieces)]
    for kind in (parcels.ShipmentCreated, parcels.ShipmentDispatched):
        await life.handle(*(life.step_of_parcel(kind, order_id, id, parcels_of_order=pieces) for id in sent))
    lost = [life.step_of_parcel(parcels.ShipmentLost, order_id, id, parcels_of_order=pieces) for id in sent[:2]]
    await life.handle_batch(*lost)
    await life.shop.carry_out_refunds()

    await _recover(life, restored)

    assert await _rows(restored) == await _rows(life.shop.runtime.database)
    assert await unpublished(restored) == []


async def test_what_was_published_is_not_published_again(life: Life, restored: Database) -> None:
    await life.paid()
    own = await published_by(life.shop.runtime)
    assert len((await _recover(life, restored)).own) == len(own) > 0
    assert (await _recover(life, restored)).own == []
    assert await unpublished(restored) == []


async def test_events_that_were_not_handled_yet_have_their_consequences_now(life: Life, restored: Database) -> None:
    order_id = await life.placed()
    unhandled = answers.ReservationAccepted(order_id=order_id, version=1, reserved_until=utcnow() + timedelta(days=1))
    life.others.append(entry_of(unhandled))
    await _recover(life, restored)
    assert await unpublished(restored) == ["mart.order.awaiting_payment.v1"]


async def test_versions_and_numbers_go_beyond_what_was_seen(life: Life, restored: Database) -> None:
    await life.accepted()
    own = await published_by(life.shop.runtime)
    await _recover(life, restored)
    async with restored.connection() as connection:
        version, number = await connection.fetchrow("SELECT version, number FROM orders")
        following = await connection.fetchval("SELECT nextval('orders_number_seq')")
    assert version >= max(entry.version for entry in own) + JUMP
    assert following >= number + JUMP


async def test_a_lost_payment_token_is_named(life: Life, restored: Database) -> None:
    order_id = await life.accepted(payment_token="tok_ok")
    journal = await _recover(life, restored)
    [(what, orders)] = [(what, names) for what, names in journal.lists.items() if "payment tokens" in what]
    assert orders == [str(order_id)]
    assert journal.found[what] == 1


async def test_a_draft_that_may_have_been_placed_since_is_dropped(life: Life, restored: Database) -> None:
    await life.placed()
    theirs, others = uuid7(), uuid7()
    async with restored.connection() as connection:
        for id, customer_id in ((theirs, life.shop.customer.user_id), (others, uuid4())):
            await connection.execute(DRAFT, id, customer_id)
    journal = await _recover(life, restored)
    async with restored.connection() as connection:
        found = {row["id"]: row["status"] for row in await connection.fetch("SELECT id, status FROM drafts")}
    assert found == {theirs: "dropped", others: "open"}
    assert journal.lists["drafts dropped: they may be among the recovered orders"] == [str(theirs)]


async def test_money_of_an_unknown_order_is_refunded(life: Life, restored: Database) -> None:
    """Its events were committed, and not published."""
    order_id, _ = await life.paid()
    async with life.shop.runtime.database.connection() as connection:
        await connection.execute("DELETE FROM outbox WHERE key = $1", str(order_id).encode())
    journal = await _recover(life, restored)
    [charge] = life.shop.gateway.charges(order_id)
    assert charge["refunded"] == charge["captured"] > 0
    assert charge["id"] in journal.lists["charges of lost orders: refunded"]


async def test_the_stock_of_an_unknown_order_is_released(life: Life, restored: Database) -> None:
    order_id = await life.placed()
    async with life.shop.runtime.database.connection() as connection:
        await connection.execute("DELETE FROM outbox WHERE type = 'mart.order.placed.v1'")
    journal = await _recover(life, restored)
    assert await unpublished(restored) == ["mart.release.requested.v1"]
    assert journal.lists["orders lost: only their reservation is known, and released"] == [str(order_id)]


async def test_a_charge_is_booked_on_its_order_although_its_events_are_lost(life: Life, restored: Database) -> None:
    order_id, payment_id = await life.paid()
    async with life.shop.runtime.database.connection() as connection:
        await connection.execute("DELETE FROM outbox WHERE topic = 'payment_status'")
        await connection.execute(
            "DELETE FROM outbox WHERE type IN ('mart.order.paid.v1', 'mart.fulfilment.requested.v1')"
        )
    await _recover(life, restored)
    rows = await _rows(restored)
    assert [(row["id"], row["status"]) for row in rows["payments"]] == [(UUID(payment_id), "succeeded")]
    assert [row["status"] for row in rows["orders"] if row["id"] == order_id] == ["paid"]
