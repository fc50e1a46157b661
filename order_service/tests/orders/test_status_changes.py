"""Status changes of orders: by commands over HTTP and by inventory's events, also late or duplicate ones."""

import json
from asyncio import gather
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contracts.events import inventory_deduction as answers
from contracts.events import order_notification as steps
from contracts.events import shipment_notification as parcels
from order_service.tests.conftest import SHIP_TO, Shop
from service_kit.clock import utcnow
from service_kit.ids import uuid7


async def test_an_order_goes_from_placed_to_delivered(shop: Shop) -> None:
    order_id = await shop.paid()
    assert await shop.status(order_id) == "paid"
    parcel = uuid7()
    await shop.deliver(shop.parcel(order_id, parcels.ShipmentCreated, parcel))
    assert (await shop.order(order_id))["fulfilment_status"] == "preparing"
    await shop.deliver(shop.parcel(order_id, parcels.ShipmentDispatched, parcel))
    assert await shop.status(order_id) == "shipped"
    await shop.deliver(shop.parcel(order_id, parcels.ShipmentDelivered, parcel))
    order = await shop.order(order_id)
    assert (order["status"], order["payment_status"], order["fulfilment_status"]) == ("delivered", "paid", "delivered")
    assert await shop.emitted(order_id) == [
        "order.placed", "reservation.requested", "order.awaiting_payment", "order.paid", "fulfilment.requested",
        "order.shipped", "order.delivered",
    ]  # fmt: skip
    versions = [event.version for event in await shop.served.events()]
    assert versions == sorted(set(versions)), "versions grow strictly"
    history = await shop.history(order_id)
    assert [entry["to_status"] for entry in history] == [
        "pending", "awaiting_payment", "paid", "paid", "shipped", "delivered",
    ]  # fmt: skip
    assert order["version"] == history[-1]["version"]


async def test_the_fulfilment_request_has_the_shipping_address(shop: Shop) -> None:
    order_id = await shop.paid()
    [wanted] = await shop.served.events(answers.FulfilmentRequested)
    assert wanted.order_id == order_id
    assert wanted.ship_to.name == SHIP_TO["name"]
    assert [line.quantity for line in wanted.lines] == [2]


async def test_the_fulfilment_request_has_the_shipping_method(shop: Shop) -> None:
    """With the warehouse if the customer collects the order there."""
    chosen, plain = await shop.accepted(), await shop.accepted()
    warehouse_id = uuid7()
    shipping = {"method": "collect", "name": "Collect it", "warehouse_id": str(warehouse_id), "amount": 0}
    await shop.execute("UPDATE orders SET shipping = $1 WHERE id = $2", json.dumps(shipping), chosen)
    await shop.capture(chosen, 2000)
    await shop.capture(plain, 2000)
    wanted = {event.order_id: event for event in await shop.served.events(answers.FulfilmentRequested)}
    assert wanted[chosen].shipping == answers.ShippingMethod(code="collect", name="Collect it")
    assert (wanted[chosen].only_warehouse_id, wanted[plain].only_warehouse_id) == (warehouse_id, None)
    assert wanted[plain].shipping is None


async def test_the_event_contains_whether_payment_is_automatic(shop: Shop) -> None:
    """It is for an order that is free, paid already, or came with a payment token."""
    by_hand = await shop.accepted()
    by_token = await shop.accepted(payment_token="tok_ok")
    free = UUID((await shop.place(await shop.product(0))).json()["id"])
    await shop.accept(free)
    early = await shop.placed()
    await shop.capture(early, 2000)
    await shop.accept(early)
    emitted = {
        event.order_id: event.automatic_payment for event in await shop.served.events(steps.OrderAwaitingPayment)
    }
    assert emitted == {by_hand: False, by_token: True, free: True, early: True}


async def test_an_order_in_two_parcels_is_shipped_in_parts(shop: Shop) -> None:
    order_id, first, second = await shop.paid(), uuid7(), uuid7()
    await shop.deliver(shop.parcel(order_id, parcels.ShipmentDispatched, first, of=2))
    assert await shop.status(order_id) == "partially_shipped"
    await shop.deliver(shop.parcel(order_id, parcels.ShipmentDelivered, first, of=2))
    assert await shop.status(order_id) == "partially_shipped"
    await shop.deliver(shop.parcel(order_id, parcels.ShipmentDispatched, second, of=2))
    assert await shop.status(order_id) == "shipped"
    await shop.deliver(shop.parcel(order_id, parcels.ShipmentDelivered, second, of=2))
    assert await shop.status(order_id) == "delivered"
    shipped = await shop.served.events(steps.OrderShipped)
    assert [(event.partial, event.shipment_id, event.carrier) for event in shipped] == [
        (True, first, "Post"), (False, second, "Post"),
    ]  # fmt: skip


async def test_a_rejection_names_the_products_out_of_stock(shop: Shop) -> None:
    product_id = await shop.product(sku="MUG-1", name="A mug")
    order_id = UUID((await shop.place(product_id)).json()["id"])
    lack = answers.LackingProduct(product_id=product_id, requested=2, available=1)
    await shop.deliver(answers.ReservationRejected(order_id=order_id, version=1, lines=[lack]))
    assert await shop.status(order_id) == "rejected"
    [rejected] = await shop.served.events(steps.OrderRejected)
    [line] = rejected.lines
    assert (line.sku, line.name, line.requested, line.available) == ("MUG-1", "A mug", 2, 1)


async def test_a_batch_changes_each_of_its_orders_once_and_ignores_unknown_ones(shop: Shop) -> None:
    product_id = await shop.product()
    ids = [UUID((await shop.place(product_id)).json()["id"]) for _ in range(5)]
    unknown = uuid4()
    await shop.accept(*reversed(ids), unknown, ids[0])
    assert {await shop.status(id) for id in ids} == {"awaiting_payment"}
    assert len(await shop.served.events(steps.OrderAwaitingPayment)) == 5
    history = await shop.history(ids[0])
    assert [entry["reason"] for entry in history[-1:]] == ["noted; the order stays awaiting_payment"]


async def test_a_duplicate_event_is_applied_once(shop: Shop) -> None:
    order_id, ids = await shop.paid(), [uuid7(), uuid7()]
    parcel = uuid7()
    published = [
        shop.parcel(order_id, parcels.ShipmentCreated, parcel),
        shop.parcel(order_id, parcels.ShipmentDispatched, parcel),
    ]
    await shop.deliver(*published, *published, ids=ids * 2)
    before = await shop.order(order_id)
    await shop.deliver(*published, ids=ids)
    await shop.deliver(published[1])  # a duplicate with another event id: its version is known
    assert await shop.order(order_id) == before
    assert len(await shop.served.events(steps.OrderShipped)) == 1


async def test_a_mixed_batch_is_applied_to_each_order_in_sequence(shop: Shop) -> None:
    """Reservations are accepted and released in one batch; half of the orders were cancelled before."""
    ids = [await shop.placed() for _ in range(4)]
    for order_id in ids[2:]:
        await shop.customer.post(f"/orders/{order_id}/cancel")
    until = utcnow() + timedelta(days=1)
    accepted = [answers.ReservationAccepted(order_id=id, version=1, reserved_until=until) for id in ids]
    released = [answers.ReservationReleased(order_id=id, version=2) for id in ids[2:]]
    await shop.deliver(*reversed(accepted), *released)
    assert [await shop.status(id) for id in ids] == ["awaiting_payment"] * 2 + ["cancelled"] * 2
    assert [entry["trigger"] for entry in await shop.history(ids[3])][-2:] == [
        "reservation.accepted", "reservation.released",
    ]  # fmt: skip


async def test_stock_of_a_cancelled_order_is_released(shop: Shop) -> None:
    order_id = await shop.placed()
    answer = await shop.customer.post(f"/orders/{order_id}/cancel", json={"reason": "changed my mind"})
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    await shop.accept(order_id)
    assert await shop.status(order_id) == "cancelled"
    assert await shop.emitted(order_id) == [
        "order.placed", "reservation.requested", "order.cancelled", "release.requested", "release.requested",
    ]  # fmt: skip
    [cancelled] = await shop.served.events(steps.OrderCancelled)
    assert cancelled.reason == "changed my mind"


async def test_cancelling_a_paid_order_waits_for_inventory(shop: Shop) -> None:
    order_id = await shop.paid()
    answer = await shop.customer.post(f"/orders/{order_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")
    again = await shop.customer.post(f"/orders/{order_id}/cancel")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/order-transition-refused")
    await shop.deliver(answers.ReservationReleased(order_id=order_id, version=2))
    assert await shop.status(order_id) == "cancelled"


async def test_a_cancelling_order_is_shipped_if_its_parcel_has_left(shop: Shop) -> None:
    """Inventory's two events are on two topics, so they can arrive in either order."""
    for rejection_first in (True, False):
        order_id = await shop.paid()
        await shop.customer.post(f"/orders/{order_id}/cancel")
        rejection = answers.ReleaseRefused(order_id=order_id, version=2, reason="a parcel has left")
        left = shop.parcel(order_id, parcels.ShipmentDispatched, uuid7())
        for event in (rejection, left) if rejection_first else (left, rejection):
            await shop.deliver(event)
        assert await shop.status(order_id) == "shipped"
        assert "a parcel has left" in [entry["reason"] for entry in await shop.history(order_id)]


async def test_an_order_can_be_cancelled_and_paid_at_the_same_time(shop: Shop) -> None:
    """The one that locks the order first decides whether the money is refunded now, or after the stock is released."""
    for _ in range(5):
        order_id = await shop.accepted()
        cancelled, unwanted = await gather(
            shop.customer.post(f"/orders/{order_id}/cancel"), shop.capture(order_id, 2000)
        )
        if unwanted:
            assert (cancelled.status_code, await shop.status(order_id), unwanted) == (200, "cancelled", 2000)
        else:
            assert (cancelled.status_code, await shop.status(order_id)) == (202, "cancelling")


async def test_money_beyond_the_total_or_for_a_cancelled_order_is_not_wanted(shop: Shop) -> None:
    cancelled = await shop.accepted()
    await shop.customer.post(f"/orders/{cancelled}/cancel")
    assert await shop.capture(cancelled, 2000) == 2000
    assert await shop.status(cancelled) == "cancelled"

    twice = await shop.paid()
    assert await shop.capture(twice, 4000) == 2000
    assert await shop.status(twice) == "paid"
    assert await shop.capture(twice, 4000) == 0, "a duplicate report is booked once"

    in_parts = await shop.accepted()
    assert await shop.capture(in_parts, 500) == 0
    assert await shop.status(in_parts) == "awaiting_payment"
    assert (await shop.order(in_parts))["payment_status"] == "partially_paid"
    assert await shop.capture(in_parts, 2500) == 500
    assert await shop.status(in_parts) == "paid"


async def test_an_order_that_was_paid_while_pending_is_paid_when_stock_is_reserved(shop: Shop) -> None:
    order_id = await shop.placed()
    assert await shop.capture(order_id, 2000) == 0
    assert await shop.status(order_id) == "pending"
    await shop.accept(order_id)
    assert await shop.status(order_id) == "paid"


async def test_the_shipping_address_can_be_changed_until_the_order_is_paid(shop: Shop) -> None:
    order_id = await shop.accepted()
    etag = (await shop.customer.get(f"/orders/{order_id}")).headers["ETag"]
    body = {"ship_to": {**SHIP_TO, "city": "Bath"}}
    changed = await shop.customer.patch(f"/orders/{order_id}", json=body, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["ship_to"]["city"]) == (200, "Bath")
    assert changed.headers["ETag"] != etag
    lost = await shop.customer.patch(f"/orders/{order_id}", json=body, headers={"If-Match": etag})
    assert (lost.status_code, lost.json()["type"]) == (412, "/problems/precondition-failed")
    await shop.capture(order_id, 2000)
    rejected = await shop.customer.patch(f"/orders/{order_id}", json=body)
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/order-transition-refused")
    [wanted] = await shop.served.events(answers.FulfilmentRequested)
    assert wanted.ship_to.city == "Bath"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/history"), ("POST", "/cancel"), ("PATCH", "")],
)
async def test_other_customers_orders_are_not_found(shop: Shop, method: str, path: str) -> None:
    order_id = await shop.placed()
    stranger = shop.served.caller()
    body = {"ship_to": SHIP_TO} if method == "PATCH" else None
    answer = await stranger.client.request(method, f"/orders/{order_id}{path}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    assert (await stranger.get("/orders")).json()["items"] == []
    assert (await stranger.get("/orders", params={"customer_id": str(shop.customer.user_id)})).json()["items"] == []
    allowed = await shop.staff.client.request(method, f"/orders/{order_id}{path}", json=body)
    assert allowed.status_code == 200


async def test_orders_are_listed_by_page_status_and_number(shop: Shop) -> None:
    product_id = await shop.product()
    placed = [(await shop.place(product_id)).json() for _ in range(5)]
    await shop.accept(UUID(placed[0]["id"]))

    first = (await shop.customer.get("/orders", params={"limit": 2})).json()
    assert [order["id"] for order in first["items"]] == [placed[4]["id"], placed[3]["id"]]
    shown = {name: value for name, value in placed[4].items() if name not in ("quote", "bill_to")}
    assert first["items"][0] == shown, "a list shows the same as the order itself, with its lines"
    second = (await shop.customer.get("/orders", params={"limit": 3, "cursor": first["next"]})).json()
    assert [order["id"] for order in second["items"]] == [order["id"] for order in placed[2::-1]]
    assert second["next"] is None

    async def found(**params: str) -> list[str]:
        answer = await shop.staff.get("/orders", params=params)
        return [order["id"] for order in answer.json()["items"]]

    assert await found(status="awaiting_payment") == [placed[0]["id"]]
    assert await found(number=placed[2]["number"]) == [placed[2]["id"]]
    assert await found(sort="created_at", limit="1") == [placed[0]["id"]]
    assert len(await found(customer_id=str(shop.customer.user_id))) == 5
    assert (await shop.staff.get("/orders", params={"status": "lost"})).status_code == 422
    assert (await shop.customer.get("/orders", params={"cursor": "x"})).status_code == 400
