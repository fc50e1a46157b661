"""The refunds of a line with discount and tax add up to what was paid, however its pieces are returned."""

from uuid import UUID, uuid4

import pytest

from contracts.events import shipment_notification as parcels
from contracts.quantity import LineQuantity
from order_service.tests.returns.conftest import Bought, Counter
from service_kit.ids import uuid7

ADD_LINE = """
INSERT INTO order_lines (order_id, position, product_id, sku, name, quantity, unit_price, discount, tax)
VALUES ($1, 1, $2, 'SKU', 'A mug', 7, 143, 250, 150)
"""
PAID = 7 * 143 - 250 + 150


async def seven_mugs(counter: Counter, status: str) -> Bought:
    """They cost 9.01 in all, which can't be divided into seven equal amounts."""
    order_id, payment = await counter.shop.paid(total=PAID)
    await counter.shop.execute("DELETE FROM order_lines WHERE order_id = $1", order_id)
    mug = uuid4()
    await counter.shop.execute(ADD_LINE, order_id, mug)
    await counter.shop.execute("UPDATE orders SET status = $2, delivered_at = now() WHERE id = $1", order_id, status)
    return Bought(order_id, payment["id"], mug, uuid4())


async def return_goods(counter: Counter, bought: Bought, pieces: int) -> int:
    return_id = await counter.approved(bought, (bought.mug, pieces))
    await counter.receive(bought, return_id, (bought.mug, pieces, 0))
    refund: int = (await counter.read(return_id))["refund"]["amount"]
    return refund


@pytest.mark.parametrize(
    ("parts", "expected"),
    [((1,) * 7, [129, 128, 129, 129, 129, 128, 129]), ((2, 4, 1), [257, 515, 129]), ((7,), [901])],
)
async def test_any_parts_of_a_line_add_up_to_what_was_paid(
    counter: Counter, parts: tuple[int, ...], expected: list[int]
) -> None:
    bought = await seven_mugs(counter, "delivered")
    assert [await return_goods(counter, bought, pieces) for pieces in parts] == expected
    assert (sum(expected), (await counter.shop.state(bought.order_id)).status) == (PAID, "returned")


async def test_lost_and_returned_pieces_of_a_line_add_up(counter: Counter) -> None:
    """Three pieces are delivered and returned one by one; two are lost, and then the last two."""
    bought = await seven_mugs(counter, "paid")
    delivered, lost, lost_too = uuid7(), uuid7(), uuid7()

    async def deliver(kind: type[parcels.ShipmentEvent], parcel: UUID, pieces: int, version: int) -> None:
        sent = {"carrier": "Post", "tracking_number": "T1"} if kind is parcels.ShipmentDispatched else {}
        held = [LineQuantity(product_id=bought.mug, quantity=pieces, position=1)]
        event = kind(
            shipment_id=parcel, order_id=bought.order_id, user_id=uuid4(), number="1", warehouse_id=uuid4(),
            shipments_of_order=3, version=version, lines=held, **sent,
        )  # fmt: skip
        await counter.shop.served.deliver(event)

    for parcel, pieces in ((delivered, 3), (lost, 2), (lost_too, 2)):
        await deliver(parcels.ShipmentDispatched, parcel, pieces, 2)
    await deliver(parcels.ShipmentDelivered, delivered, 3, 3)
    assert [await return_goods(counter, bought, 1) for _ in range(2)] == [129, 128]
    await deliver(parcels.ShipmentLost, lost, 2, 3)
    assert await return_goods(counter, bought, 1) == 129
    await deliver(parcels.ShipmentLost, lost_too, 2, 3)
    refunds = [refund["amount"]["amount"] for refund in await counter.shop.refunds(bought.order_id)]
    assert sorted(refunds) == [128, 129, 129, 257, 258]
    assert sum(refunds) == PAID
    assert (await counter.shop.state(bought.order_id)).status == "returned"
