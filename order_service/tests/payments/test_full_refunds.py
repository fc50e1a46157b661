"""An order whose money is refunded in full is not sent: it is cancelled, or the warehouse is warned."""

from uuid import UUID, uuid4

from contracts.events import inventory_deduction as inventory
from contracts.events import order_notification as steps
from contracts.events import shipment_notification as parcels
from contracts.events.payment_status import PaymentRefunded
from contracts.money import Money
from contracts.quantity import LineQuantity
from order_service.payments import consumers
from order_service.tests.conftest import Shop as Orders
from order_service.tests.payments.conftest import TOTAL, Shop
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging import Envelope

LINES = [LineQuantity(product_id=uuid4(), quantity=1)]


def _parcel(
    kind: type[parcels.ShipmentEvent], order_id: UUID, shipment_id: UUID, version: int, of: int
) -> parcels.ShipmentEvent:
    left = {"carrier": "Post", "tracking_number": "1"} if kind is parcels.ShipmentDispatched else {}
    return kind(
        shipment_id=shipment_id, order_id=order_id, user_id=uuid4(), number="1", warehouse_id=uuid4(),
        shipments_of_order=of, lines=LINES, version=version, **left,
    )  # fmt: skip


async def _sent(shop: Shop, order_id: UUID, *, of: int) -> None:
    """One of its parcels has left."""
    await Orders(shop.served).deliver(_parcel(parcels.ShipmentDispatched, order_id, uuid7(), 2, of))


async def _warnings(shop: Shop) -> list[bool]:
    return [event.refunded for event in await shop.served.events(inventory.FulfilmentRefunded)]


async def test_a_full_refund_cancels_an_order_of_which_no_parcel_has_left(shop: Shop) -> None:
    """Inventory must release the stock first, since a parcel may leave at the same moment."""
    order_id, payment = await shop.paid()
    await shop.refund(payment["id"], TOTAL - 1)
    assert (await shop.state(order_id)).status == "paid", "a penny is kept"
    await shop.refund(payment["id"])
    assert (await shop.state(order_id)).status == "cancelling"
    [asked] = await shop.served.events(inventory.ReleaseRequested)
    assert (asked.order_id, asked.reason) == (order_id, "refunded in full")
    await Orders(shop.served).deliver(inventory.ReservationReleased(order_id=order_id, version=9))
    await shop.carry_out_refunds()
    state = await shop.state(order_id)
    assert (state.status, state.refunded) == ("cancelled", TOTAL)
    assert len(await shop.served.events(steps.OrderCancelled)) == 1
    history = (await shop.staff.get(f"/orders/{order_id}/history")).json()["items"]
    [entry] = [entry for entry in history if entry["trigger"] == "refunded in full"]
    assert (entry["actor"], entry["actor_id"]) == ("staff", str(shop.staff.user_id))


async def test_an_order_is_not_cancelled_if_a_parcel_leaves_at_the_same_moment(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    await shop.refund(payment["id"])
    await _sent(shop, order_id, of=2)
    await Orders(shop.served).deliver(inventory.ReleaseRefused(order_id=order_id, version=9, reason="1 parcel left"))
    await shop.carry_out_refunds()
    state = await shop.state(order_id)
    assert (state.status, state.payment_status) == ("partially_shipped", "refunded")
    assert await _warnings(shop) == [True]


async def test_after_a_parcel_has_left_a_full_refund_warns_the_warehouse_of_the_others(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    await _sent(shop, order_id, of=2)
    await shop.refund(payment["id"])
    assert (await shop.state(order_id)).status == "partially_shipped"
    assert await _warnings(shop) == [True]


async def test_no_warning_after_every_parcel_left(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    await _sent(shop, order_id, of=1)
    await shop.refund(payment["id"])
    assert (await shop.state(order_id)).status == "shipped"
    assert await _warnings(shop) == []


async def test_a_failed_refund_withdraws_the_warning(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    await _sent(shop, order_id, of=2)
    await shop.refund(payment["id"])
    [refund] = await shop.refunds(order_id)
    failed = {
        "id": "re_1", "charge_id": payment["gateway_charge_id"], "status": "failed", "amount": TOTAL, "currency": "GBP",
        "idempotency_key": f"refund-{refund['id']}",
    }  # fmt: skip
    event = {"id": "evt_1", "type": "refund.failed", "created": 1, "data": {"refund": failed}}
    assert (await shop.webhook(event)).status_code == 204
    assert await _warnings(shop) == [True, False]
    await shop.refund(payment["id"])
    assert await _warnings(shop) == [True, False, True]


async def test_a_refund_that_fails_before_the_order_is_cancelled_is_requested_again(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    await shop.refund(payment["id"])
    await shop.execute("UPDATE refunds SET status = 'failed' WHERE order_id = $1", order_id)
    await Orders(shop.served).deliver(inventory.ReservationReleased(order_id=order_id, version=9))
    assert (await shop.state(order_id)).status == "cancelled"
    assert sorted(refund["status"] for refund in await shop.refunds(order_id)) == ["failed", "requested"]


async def test_refunds_by_an_outside_system_count_as_well(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    amount = Money(amount=TOTAL, currency="GBP")
    published = PaymentRefunded(payment_id=UUID(payment["id"]), order_id=order_id, amount=amount, reference="re_out")
    async with shop.runtime.database.transaction() as tx:
        await consumers.on_payment_refunded(
            tx, published, Envelope(uuid4(), published.type, "/payments_elsewhere", "", utcnow())
        )
    state = await shop.state(order_id)
    assert (state.status, state.refunded) == ("cancelling", TOTAL)
