"""Orders that customers collect from one warehouse."""

import asyncio
from uuid import UUID

from contracts import examples
from contracts.events.inventory_deduction import ReservationRejected, ReservationRequested, ShippingMethod
from inventory_service.reservations import use_cases
from inventory_service.tests.inventory import Inventory, fulfilment, reservation
from service_kit.ids import uuid7


async def two_warehouses(inventory: Inventory, near: int, far: int) -> tuple[UUID, UUID, UUID]:
    """(product, the warehouse to collect it from, another one)."""
    product_id, near_id = await inventory.stocked(near)
    await inventory.receive(far_id := await inventory.warehouse(), (product_id, far))
    return product_id, near_id, far_id


async def held(inventory: Inventory, warehouse_id: UUID) -> int:
    found = await inventory.staff.get("/stock", params={"warehouse_id": str(warehouse_id)})
    return sum(item["reserved"] for item in found.json()["items"])


async def test_of_two_pickups_of_the_last_piece_one_is_rejected(inventory: Inventory) -> None:
    """Another warehouse has plenty, but the customers don't go there."""
    product_id, near, far = await two_warehouses(inventory, 1, 100)
    for attempt in range(1, 11):
        buyers = [uuid7(), uuid7()]
        requests = [reservation(buyer, [(product_id, 1)], only=near) for buyer in buyers]
        await asyncio.gather(*map(inventory.deliver, requests))
        answers = sorted([(await inventory.emitted(buyer))[0] for buyer in buyers])
        assert answers == ["reservation.accepted", "reservation.rejected"]
        assert (await held(inventory, near), await held(inventory, far)) == (attempt, 0)
        await inventory.receive(near, (product_id, 1))
    rejected = (await inventory.served.events(ReservationRejected))[0]
    assert [(lack.requested, lack.available) for lack in rejected.lines] == [(1, 0)]
    await inventory.check_books()


async def test_pickups_and_deliveries_of_one_batch_see_each_other(inventory: Inventory) -> None:
    product_id, near, _ = await two_warehouses(inventory, 2, 2)
    orders = [uuid7() for _ in range(4)]
    requests = [reservation(id, [(product_id, 1)], only=near if n % 2 else None) for n, id in enumerate(orders)]
    await inventory.deliver(*requests, reservation(last := uuid7(), [(product_id, 1)], only=near))
    assert [(await inventory.emitted(id))[0] for id in orders[:3]] == ["reservation.accepted"] * 3
    assert (await inventory.emitted(last)) == ["reservation.rejected"]
    assert await held(inventory, near) == 2
    await inventory.check_books()


async def test_an_expired_pickup_is_reserved_again_where_it_is_collected(inventory: Inventory) -> None:
    product_id, near, _ = await two_warehouses(inventory, 1, 9)
    order_id, lines = uuid7(), [(product_id, 1)]
    await inventory.deliver(reservation(order_id, lines, minutes=-1, only=near))
    await use_cases.expire(inventory.runtime)
    await inventory.deliver(reservation(uuid7(), lines, only=near), fulfilment(order_id, lines, only_warehouse_id=near))
    assert (await inventory.emitted(order_id))[-1] == "reservation.rejected"
    await inventory.receive(near, (product_id, 1))
    other = uuid7()
    await inventory.deliver(fulfilment(other, lines, only_warehouse_id=near))
    assert [each["warehouse_id"] for each in await inventory.shipments(other)] == [str(near)]
    await inventory.check_books()


async def test_a_pickup_in_an_unknown_warehouse_is_rejected(inventory: Inventory) -> None:
    product_id, _ = await inventory.stocked(5)
    await inventory.deliver(reservation(order_id := uuid7(), [(product_id, 1)], only=uuid7()))
    assert await inventory.emitted(order_id) == ["reservation.rejected"]


async def test_a_request_of_an_older_order_service_is_supplied_by_any_warehouse(inventory: Inventory) -> None:
    [(_, _, path), *_] = [each for each in examples.paths() if each[0] == ReservationRequested.type]
    old = ReservationRequested.model_validate_json(path.read_bytes())
    assert old.only_warehouse_id is None
    warehouse_id = await inventory.warehouse()
    for line in old.lines:
        await inventory.product(product_id=line.product_id)
        await inventory.receive(warehouse_id, (line.product_id, line.quantity))
    await inventory.deliver(old)
    assert await inventory.emitted(old.order_id) == ["reservation.accepted"]


async def test_a_shipment_shows_the_method_that_its_customer_chose(inventory: Inventory) -> None:
    product_id, _ = await inventory.stocked(5)
    chosen, plain = uuid7(), uuid7()
    shipping = ShippingMethod(code="express", name="Express")
    await inventory.deliver(
        fulfilment(chosen, [(product_id, 1)], shipping=shipping), fulfilment(plain, [(product_id, 1)])
    )
    [shipment] = await inventory.shipments(chosen)
    assert shipment["shipping"] == {"code": "express", "name": "Express"}
    assert (await inventory.dispatch(shipment["id"])).json()["shipping"] == shipment["shipping"]
    [shipment] = await inventory.shipments(plain)
    assert shipment["shipping"] is None
