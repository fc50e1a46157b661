"""The report of `make trail` about completed orders, and about an unknown one."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from local_stack.errors import StackError
from tests.system.world import World, until
from tools.trail import report
from tools.trail.step import Step

PUBLISHED = {
    "order": [
        "order.placed", "reservation.requested", "order.awaiting_payment", "payment.pending", "payment.succeeded",
        "order.paid", "invoice.issued", "fulfilment.requested", "order.shipped", "order.delivered",
    ],
    "inventory": [
        "reservation.accepted", "shipment.created", "shipment.dispatched", "stock.deducted", "shipment.delivered",
    ],
}  # fmt: skip
IN_THE_INBOX = ["order.placed", "order.awaiting_payment", "order.paid", "shipment.dispatched", "shipment.delivered"]
HANDLED = {
    "inventory": ["reservation.requested", "fulfilment.requested"],
    "order": ["reservation.accepted", "shipment.created", "shipment.dispatched", "shipment.delivered"],
    "notification": [*IN_THE_INBOX, "invoice.issued"],
}
STATUSES = ["pending", "awaiting_payment", "paid", "shipped", "delivered"]


def _each_once(found: dict[str, list[str]]) -> Counter[tuple[str, str]]:
    return Counter((service, event) for service, events in found.items() for event in events)


def _events(trail: report.Trail, verb: str) -> Counter[tuple[str, str]]:
    """How often the trail has this verb for each service and event."""
    words = [(step.service, step.what.split()) for step in trail.steps]
    return Counter((service, what[1]) for service, what in words if what[0] == verb)


def _step(trail: report.Trail, service: str, *words: str) -> Step:
    [found] = [step for step in trail.steps if step.service == service and all(word in step.what for word in words)]
    return found


async def _delivered(world: World) -> int:
    customer = await world.customer()
    product = await world.product(stock=3)
    order = await customer.order((product, 2))
    await customer.order_becomes(order["id"], "awaiting_payment")
    await customer.pay(order["id"])
    await customer.order_becomes(order["id"], "paid")
    await world.deliver(order["id"])
    await customer.order_becomes(order["id"], "delivered")
    await world.wait_for_notifications(customer, IN_THE_INBOX)
    return int(order["number"])


async def test_a_delivered_order_leaves_each_step_once(world: World) -> None:
    number = await _delivered(world)

    async def complete() -> report.Trail | None:
        """Waits for the publication of the last event, which follows shortly after the delivery, and for the invoice,
        which a job issues."""
        trail = await asyncio.to_thread(report.follow, world.shop, number)
        published, consumed = _events(trail, "published"), _events(trail, "consumed")
        done = ("order", "order.delivered") in published and ("notification", "invoice.issued") in consumed
        return trail if done else None

    trail = await until("the last event on Kafka", complete)
    assert trail.missing == []
    assert _events(trail, "emitted") == _each_once(PUBLISHED)
    assert _events(trail, "published") == _each_once(PUBLISHED)
    assert _events(trail, "consumed") == _each_once(HANDLED)
    times = [step.at for step in trail.steps]
    assert times == sorted(times)
    for before, after in pairwise(STATUSES):
        _step(trail, "order", f"{before} → {after}")


async def test_the_steps_name_what_they_waited_for(world: World) -> None:
    trail = await asyncio.to_thread(report.follow, world.shop, await _delivered(world))
    waited = {
        "payment by customer": _step(trail, "order", "opened by customer"),
        "order → gateway": _step(trail, "gateway", "charge of", "succeeded"),
        "the gateway's word": _step(trail, "order", "payment of", "succeeded"),
        "Kafka → inventory": _step(trail, "inventory", "consumed reservation.requested"),
        "inventory's work": _step(trail, "inventory", "emitted reservation.accepted"),
        "outbox → Kafka": _step(trail, "order", "published order.placed"),
        "dispatch by staff": _step(trail, "inventory", "dispatched with Royal Mail"),
    }
    for what, step in waited.items():
        assert step.wait is not None, step
        assert step.wait.what == what
        assert step.wait.time >= timedelta(0)
    assert "2 pieces of 1 product" in _step(trail, "inventory", "out of stock").what
    longest = max((step.wait for step in trail.steps if step.wait), key=lambda wait: wait.time)
    assert report.summary(trail).startswith(f"Order {trail.order.number}: delivered, ")
    assert report.summary(trail).endswith(f" for {longest.what}.")
    assert report.table(trail).row_count == len(trail.steps)


async def test_returns_are_reported_too(world: World) -> None:
    customer, product = await world.customer(), await world.product(stock=3)
    order_id = await customer.bought(product, 2)
    return_id = await customer.returns(order_id, product, 2)
    await world.receive_return(
        return_id, (await world.shipments(order_id))[0]["warehouse_id"], product, restock=1, scrap=1
    )
    order = await customer.order_becomes(order_id, "returned")

    async def complete() -> report.Trail | None:
        trail = await asyncio.to_thread(report.follow, world.shop, int(order["number"]))
        return trail if ("notification", "payment.refunded") in _events(trail, "consumed") else None

    trail = await until("the customer is notified of the refund", complete)
    assert trail.missing == []
    assert "2 pieces" in _step(trail, "inventory", "expected: ").what
    assert "1 piece into stock, 1 as scrap" in _step(trail, "inventory", "received in").what
    assert "2 pieces of 1 product" in _step(trail, "inventory", "out of stock").what
    _step(trail, "order", "delivered → returned")


async def test_a_lost_parcel_is_reported_with_its_consequences(world: World) -> None:
    customer, product = await world.customer(), await world.product(stock=3)
    order = await customer.order((product, 2), payment_token="tok_ok")
    await customer.order_becomes(order["id"], "paid")
    [parcel] = await world.shipments_of(order["id"])
    path = f"/shipments/{parcel['id']}"
    sent = {"carrier": "Royal Mail", "tracking_number": "WRONG"}
    await world.staff.call("inventory", "POST", f"{path}/dispatch", json=sent)
    await world.staff.call("inventory", "PATCH", f"{path}/dispatch", json={"tracking_number": "RIGHT"})
    await world.staff.call("inventory", "POST", f"{path}/lost")
    await customer.order_becomes(order["id"], "cancelled")

    async def complete() -> report.Trail | None:
        trail = await asyncio.to_thread(report.follow, world.shop, int(order["number"]))
        return trail if ("notification", "payment.refunded") in _events(trail, "consumed") else None

    trail = await until("the customer is notified of the refund", complete)
    assert trail.missing == []
    _step(trail, "inventory", "dispatched with Royal Mail WRONG")
    _step(trail, "inventory", "corrected: it went with Royal Mail RIGHT")
    waits = [_step(trail, "inventory", "lost by the carrier"), _step(trail, "order", "shipped → cancelled (every")]
    assert [step.wait.what for step in waits if step.wait] == ["the parcel, in vain", "order's work"]


async def test_a_refund_before_dispatch_and_an_overdue_return_are_reported(world: World) -> None:
    customer, product = await world.customer(), await world.product(stock=5)
    order = await customer.order((product, 2), payment_token="tok_ok")
    await customer.order_becomes(order["id"], "paid")
    await world.shipments_of(order["id"])
    [paid] = (await world.staff.call("order", "GET", f"/orders/{order['id']}/payments"))["items"]
    again = {"Idempotency-Key": order["id"]}
    await world.staff.call("order", "POST", f"/payments/{paid['id']}/refunds", json={}, headers=again)
    await customer.order_becomes(order["id"], "cancelled")
    trail = await asyncio.to_thread(report.follow, world.shop, int(order["number"]))
    _step(trail, "order", "paid → cancelling (refunded in full")
    _step(trail, "inventory", "to be sent from", "cancelled now")

    bought = await customer.bought(product, 1)
    return_id = await customer.returns(bought, product, 1)

    async def closed() -> bool:
        return (await world.staff.ask("inventory", "POST", f"/returns/{return_id}/close")).is_success

    await until("the return is closed", closed)
    number = (await customer.call("order", "GET", f"/orders/{bought}"))["number"]
    trail = await asyncio.to_thread(report.follow, world.shop, int(number))
    _step(trail, "inventory", "closed: nothing came")


async def test_an_unknown_order_number_is_reported(world: World) -> None:
    with pytest.raises(StackError, match="There is no order 99999999999999999999"):
        await asyncio.to_thread(report.follow, world.shop, 99999999999999999999)
