"""Single parcels: delivered pieces can be returned while others are in transit, and lost ones are refunded once."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from contracts.events import inventory_deduction as inventory
from contracts.events import order_notification as steps
from contracts.events import shipment_notification as parcels
from contracts.quantity import LineQuantity
from order_service.tests.returns.conftest import Bought, Counter
from service_kit.ids import uuid7

DISPATCHED, DELIVERED, LOST = parcels.ShipmentDispatched, parcels.ShipmentDelivered, parcels.ShipmentLost


@dataclass
class Parcels:
    """The order of `bought`, in two parcels: the mugs of line 1 and the tray of line 2, and the mug of line 3."""

    counter: Counter
    bought: Bought
    first: UUID
    second: UUID

    async def deliver(self, kind: type[parcels.ShipmentEvent], parcel: UUID, version: int, **more: Any) -> None:
        first = [(self.bought.mug, 2, 1), (self.bought.tray, 1, 2)]
        held = first if parcel == self.first else [(self.bought.mug, 1, 3)]
        sent = {"carrier": "Post", "tracking_number": "T1", **more} if kind is DISPATCHED else more
        event = kind(
            shipment_id=parcel, order_id=self.bought.order_id, user_id=uuid4(), number="1", warehouse_id=uuid4(),
            shipments_of_order=2, version=version, **sent,
            lines=[LineQuantity(product_id=id, quantity=n, position=line) for id, n, line in held],
        )  # fmt: skip
        await self.counter.shop.served.deliver(event)

    async def status(self) -> str:
        return (await self.counter.shop.state(self.bought.order_id)).status

    async def refunds(self) -> list[int]:
        return sorted(refund["amount"]["amount"] for refund in await self.counter.shop.refunds(self.bought.order_id))

    async def order(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.counter.shop.customer.get(f"/orders/{self.bought.order_id}")).json()
        return found


async def _sent(counter: Counter) -> Parcels:
    """Both parcels have left."""
    bought = await counter.bought()
    await counter.shop.set_status(bought.order_id, "paid")
    sent = Parcels(counter, bought, uuid7(), uuid7())
    await sent.deliver(DISPATCHED, sent.first, 2, tracking_url="https://post.example/T1")
    await sent.deliver(DISPATCHED, sent.second, 2)
    return sent


async def test_a_customer_sees_the_parcels_and_their_corrections(counter: Counter) -> None:
    sent = await _sent(counter)
    await sent.deliver(DELIVERED, sent.first, 3)
    await sent.deliver(
        parcels.ShipmentCorrected, sent.second, 3, status="dispatched", carrier="DHL", tracking_number="D7",
        tracking_url="https://dhl.example/D7",
    )  # fmt: skip
    order = await sent.order()
    assert order["parcels"] == [
        {"id": str(sent.first), "status": "delivered", "carrier": "Post", "tracking_number": "T1",
         "tracking_url": "https://post.example/T1"},
        {"id": str(sent.second), "status": "dispatched", "carrier": "DHL", "tracking_number": "D7",
         "tracking_url": "https://dhl.example/D7"},
    ]  # fmt: skip
    [listed] = (await counter.shop.customer.get("/orders")).json()["items"]
    assert listed["parcels"] == order["parcels"]
    history = (await counter.shop.customer.get(f"/orders/{sent.bought.order_id}/history")).json()["items"]
    assert (history[-1]["trigger"], history[-1]["reason"]) == ("shipment.corrected", "DHL D7")
    assert await sent.status() == "shipped"


async def test_delivered_pieces_can_be_returned_while_others_are_in_transit(counter: Counter) -> None:
    sent = await _sent(counter)
    bought = sent.bought
    early = await counter.ask(bought, (bought.tray, 1))
    assert (early.status_code, early.json()["type"]) == (409, "/problems/more-than-returnable")
    await sent.deliver(DELIVERED, sent.first, 3)
    assert (await counter.ask(bought, (bought.mug, 3))).status_code == 409, "one of them has not arrived"
    return_id = await counter.approved(bought, (bought.mug, 2), (bought.tray, 1))
    await counter.receive(bought, return_id, (bought.mug, 2, 0), (bought.tray, 1, 0))
    assert (await sent.status(), await sent.refunds()) == ("shipped", [800])
    await sent.deliver(DELIVERED, sent.second, 3)
    assert await sent.status() == "delivered", "not everything was returned"


async def test_a_lost_parcel_is_refunded_once_and_counts_as_ended(counter: Counter) -> None:
    sent = await _sent(counter)
    await sent.deliver(LOST, sent.second, 3)
    await sent.deliver(LOST, sent.second, 3)
    assert (await sent.status(), await sent.refunds()) == ("shipped", [200])
    await sent.deliver(DELIVERED, sent.first, 3)
    assert await sent.status() == "delivered"
    assert [parcel["status"] for parcel in (await sent.order())["parcels"]] == ["delivered", "lost"]
    lost = await counter.shop.customer.post(
        f"/orders/{sent.bought.order_id}/returns", headers={"Idempotency-Key": "a"},
        json={"lines": [{"line": 3, "quantity": 1}], "reason": "it never came"},
    )  # fmt: skip
    assert (lost.status_code, lost.json()["lines"]) == (409, [{"line": 3, "requested": 1, "returnable": 0}])
    return_id = await counter.approved(sent.bought, (sent.bought.mug, 2), (sent.bought.tray, 1))
    await counter.receive(sent.bought, return_id, (sent.bought.mug, 2, 0), (sent.bought.tray, 1, 0))
    assert (await sent.status(), await sent.refunds()) == ("returned", [200, 800])


async def test_an_order_is_returned_when_its_last_parcel_is_lost_after_the_others_came_back(counter: Counter) -> None:
    sent = await _sent(counter)
    await sent.deliver(DELIVERED, sent.first, 3)
    return_id = await counter.approved(sent.bought, (sent.bought.mug, 2), (sent.bought.tray, 1))
    await counter.receive(sent.bought, return_id, (sent.bought.mug, 2, 0), (sent.bought.tray, 1, 0))
    await sent.deliver(LOST, sent.second, 3)
    assert (await sent.status(), await sent.refunds()) == ("returned", [200, 800])


async def test_an_order_of_which_every_parcel_is_lost_is_cancelled_and_refunded(counter: Counter) -> None:
    sent = await _sent(counter)
    await sent.deliver(LOST, sent.first, 3)
    await sent.deliver(LOST, sent.second, 3)
    assert (await sent.status(), await sent.refunds()) == ("cancelled", [200, 800])
    assert (await sent.order())["fulfilment_status"] == "lost"
    [published] = await counter.shop.served.events(steps.OrderCancelled)
    assert published.reason == "lost by the carrier"
    assert await counter.shop.served.events(inventory.ReleaseRequested) == []


async def test_a_lost_parcel_never_refunds_more_than_is_left(counter: Counter) -> None:
    sent = await _sent(counter)
    assert (await counter.shop.refund(sent.bought.payment_id, 900)).status_code == 202
    await sent.deliver(LOST, sent.first, 3)
    assert await sent.refunds() == [100, 900]


async def test_a_return_that_never_arrived_is_closed_and_can_be_requested_again(counter: Counter) -> None:
    """Inventory closes it, or, in older events, reports it as received with no pieces."""
    bought = await counter.bought()
    for nothing in (True, False):
        return_id = await counter.approved(bought, (bought.mug, 3))
        if nothing:
            await counter.receive(bought, return_id, (bought.mug, 0, 0))
        else:
            closed = parcels.ReturnClosed(
                return_id=UUID(return_id), order_id=bought.order_id, customer_id=uuid4(), number="1", version=2
            )
            await counter.shop.served.deliver(closed)
        found = await counter.read(return_id)
        assert (found["status"], found["refund"], found["lines"][0]["received"]) == ("closed", None, None)
        assert found["closed_at"]
    assert await counter.shop.refunds(bought.order_id) == []
    assert (await counter.history(bought))[-1]["trigger"] == "return.closed"


async def test_a_free_and_a_paid_line_of_one_product_are_separate(counter: Counter) -> None:
    bought = await counter.bought()
    gift = "UPDATE order_lines SET unit_price = 0 WHERE order_id = $1 AND position = 1"
    await counter.shop.execute(gift, bought.order_id)
    unclear = await counter.ask(bought, (bought.mug, 1))
    assert (unclear.status_code, unclear.json()["type"]) == (409, "/problems/return-line-ambiguous")
    assert [(line["line"], line["returnable"]) for line in unclear.json()["lines"]] == [(1, 2), (3, 1)]
    made = await counter.shop.customer.post(
        f"/orders/{bought.order_id}/returns", headers={"Idempotency-Key": "a"},
        json={"lines": [{"line": 3, "quantity": 1}], "reason": "too small"},
    )  # fmt: skip
    assert [(line["line"], line["unit_price"]["amount"]) for line in made.json()["lines"]] == [(3, 200)]
    [published] = await counter.shop.served.events(steps.ReturnRequested)
    assert [(line.position, line.product_id) for line in published.lines] == [(3, bought.mug)]
    assert (await counter.shop.staff.post(f"/returns/{made.json()['id']}/approve")).status_code == 200
    await counter.receive(bought, made.json()["id"], (bought.mug, 1, 0))
    assert (await counter.read(made.json()["id"]))["refund"]["amount"] == 200
