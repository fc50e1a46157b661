"""What customers have ordered is copied from the events of their orders."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events.order_notification import (
    OrderCancelled,
    OrderDelivered,
    OrderedLine,
    OrderExpired,
    OrderPlaced,
    OrderRejected,
    OrderReturned,
)
from contracts.money import Money
from tests.harness.service import Served

ORDER: dict[str, Any] = {
    "order_id": uuid4(), "number": "100001", "customer_id": uuid4(), "total": Money(amount=1500, currency="GBP"),
}  # fmt: skip
ONE, OTHER = sorted([uuid4(), uuid4()])
PLACED = OrderPlaced(
    **ORDER,
    version=1,
    lines=[
        OrderedLine(product_id=ONE, quantity=1, unit_price=500),
        OrderedLine(product_id=OTHER, quantity=1, unit_price=500),
        OrderedLine(product_id=ONE, quantity=2, unit_price=500),
    ],
)
DELIVERED = OrderDelivered(**ORDER, version=2)


async def purchases(service: Served) -> list[tuple[UUID, int, bool]]:
    async with service.runtime.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT product_id, quantity, delivered_at IS NOT NULL FROM purchases ORDER BY product_id"
        )
    return [tuple(row) for row in rows]


async def test_an_order_is_copied_and_delivered(service: Served) -> None:
    await service.deliver(PLACED)
    assert await purchases(service) == [(ONE, 3, False), (OTHER, 1, False)]
    await service.deliver(DELIVERED)
    assert await purchases(service) == [(ONE, 3, True), (OTHER, 1, True)]
    await service.deliver(OrderReturned(**ORDER, version=3))
    assert await purchases(service) == [(ONE, 3, False), (OTHER, 1, False)]


async def test_all_steps_may_be_in_one_batch(service: Served) -> None:
    await service.deliver(PLACED, DELIVERED)
    assert await purchases(service) == [(ONE, 3, True), (OTHER, 1, True)]


@pytest.mark.parametrize(
    "ended",
    [OrderRejected(**ORDER, version=2, lines=[]), OrderCancelled(**ORDER, version=2), OrderExpired(**ORDER, version=2)],
    ids=lambda event: event.type,
)
async def test_an_order_that_ends_without_goods_is_forgotten(service: Served, ended: Any) -> None:
    await service.deliver(PLACED)
    await service.deliver(ended)
    assert await purchases(service) == []
