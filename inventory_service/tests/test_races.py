"""Concurrent requests and events."""

import asyncio
import random
from collections import Counter
from typing import Any
from uuid import UUID

from contracts.events.inventory_deduction import StockDeducted
from inventory_service.reservations import use_cases as reservations
from inventory_service.stock import use_cases as stock
from inventory_service.tests.inventory import Inventory, fulfilment, release, reservation
from service_kit.ids import uuid7


async def test_of_two_orders_for_the_last_piece_one_gets_it(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.product(), await inventory.warehouse()
    for attempt in range(1, 21):
        await inventory.receive(warehouse_id, (product_id, 1))
        buyers = [uuid7(), uuid7()]
        await asyncio.gather(*(inventory.deliver(reservation(buyer, [(product_id, 1)])) for buyer in buyers))
        answers = sorted([(await inventory.emitted(buyer))[0] for buyer in buyers])
        assert answers == ["reservation.accepted", "reservation.rejected"]
        assert await inventory.level(product_id) == (attempt, attempt)
    await inventory.check_books()


async def test_concurrent_release_and_dispatch_exclude_each_other(inventory: Inventory) -> None:
    product_id, _ = await inventory.stocked(100)
    won: Counter[str] = Counter()
    for attempt in range(20):
        order_id, lines = uuid7(), [(product_id, 1)]
        await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
        (shipment,) = await inventory.shipments(order_id)
        racers: list[Any] = [inventory.dispatch(shipment["id"]), inventory.deliver(release(order_id))]
        outcomes = await asyncio.gather(*(racers if attempt % 2 else reversed(racers)))
        answer = next(outcome for outcome in outcomes if outcome is not None)
        (shipment,) = await inventory.shipments(order_id)
        outcome = (answer.status_code, shipment["status"], *(await inventory.emitted(order_id))[2:])
        # Each is one tuple, because the two transactions' events have the order of their commits.
        assert outcome in [
            (200, "dispatched", "stock.deducted", "shipment.dispatched", "release.refused"),
            (409, "cancelled", "reservation.released"),
        ]
        won[shipment["status"]] += 1
    on_hand, reserved = await inventory.level(product_id)
    assert (on_hand, reserved) == (100 - won["dispatched"], 0)
    await inventory.check_books()


async def test_of_twenty_concurrent_dispatches_of_a_parcel_one_succeeds(inventory: Inventory) -> None:
    product_id, _ = await inventory.stocked(5)
    order_id, lines = uuid7(), [(product_id, 5)]
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
    (shipment,) = await inventory.shipments(order_id)
    answers = await asyncio.gather(*(inventory.dispatch(shipment["id"], f"RM{number}") for number in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert (await inventory.emitted(order_id)).count("stock.deducted") == 1
    assert await inventory.level(product_id) == (0, 0)
    await inventory.check_books()


async def test_two_parcels_of_an_order_can_be_dispatched_concurrently(inventory: Inventory) -> None:
    """The order is fulfilled, and each answer to the order service has a version of its own."""
    for _ in range(10):
        product_id, _ = await inventory.stocked(4)
        await inventory.receive(await inventory.warehouse(), (product_id, 4))
        order_id, lines = uuid7(), [(product_id, 8)]
        await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
        parcels = await inventory.shipments(order_id)
        answers = await asyncio.gather(*(inventory.dispatch(parcel["id"]) for parcel in parcels))
        assert [answer.status_code for answer in answers] == [200, 200]
        assert await inventory.status(order_id) == "fulfilled"
        deducted = [each for each in await inventory.served.events(StockDeducted) if each.order_id == order_id]
        assert sorted(each.version for each in deducted) == [2, 3]
    await inventory.check_books()


async def test_parcels_in_several_concurrent_collections_are_dispatched_once(inventory: Inventory) -> None:
    """A concurrent release cancels only parcels that have not left."""
    product_id, _ = await inventory.stocked(100)
    orders = [(uuid7(), [(product_id, 1)]) for _ in range(20)]
    await inventory.deliver(*(reservation(*order) for order in orders), *(fulfilment(*order) for order in orders))
    parcels = [(await inventory.shipments(order_id))[0]["id"] for order_id, _ in orders]
    releases = [inventory.deliver(release(order_id)) for order_id, _ in orders[::4]]
    collections = [inventory.dispatch_all(*order) for order in (parcels, parcels[::-1], parcels[::2])]
    _, first, backwards, _ = await asyncio.gather(asyncio.gather(*releases), *collections)
    assert first == backwards[::-1]
    left = [each["shipment_id"] for each in first if each["status"] == "dispatched"]
    assert len(left) >= 15
    assert (await inventory.emitted()).count("shipment.dispatched") == len(left)
    assert await inventory.level(product_id) == (100 - len(left), 0)
    await inventory.check_books()


async def test_concurrent_writers_of_the_same_products_neither_deadlock_nor_oversell(inventory: Inventory) -> None:
    """The movements still add up to the stock."""
    chance = random.Random(7)
    warehouses = [await inventory.warehouse() for _ in range(3)]
    products = [await inventory.product() for _ in range(8)]
    for warehouse_id in warehouses:
        await inventory.receive(warehouse_id, *((product_id, 40) for product_id in products))
    shipped = [_order(products, chance) for _ in range(20)]
    await inventory.deliver(*(fulfilment(order_id, lines) for order_id, lines in shipped))
    to_dispatch = [shipment["id"] for order_id, _ in shipped for shipment in await inventory.shipments(order_id)]

    work: list[Any] = [inventory.answer(*_mixed_batch(products, chance)) for _ in range(50)]
    work += [inventory.dispatch(shipment_id) for shipment_id in to_dispatch]
    work += [inventory.dispatch_all(*chance.sample(to_dispatch, 10)) for _ in range(10)]
    work += [
        inventory.receive(warehouse_id, *((each, 2) for each in reversed(products))) for warehouse_id in warehouses
    ]
    work += [_adjust(inventory, chance.choice(products), chance.choice(warehouses)) for _ in range(20)]
    work += [reservations.expire(inventory.runtime) for _ in range(5)]
    work += [stock.publish_levels(inventory.runtime) for _ in range(5)]
    chance.shuffle(work)
    answers = await asyncio.gather(*work)

    assert {answer.status_code for answer in answers if hasattr(answer, "status_code")} <= {200, 201, 409}
    await inventory.check_books()
    emitted = Counter(await inventory.emitted())
    assert emitted["reservation.accepted"] > 50
    assert emitted["reservation.rejected"] > 10, "the stock was never short, so this test would show nothing"


def _order(products: list[UUID], chance: random.Random) -> tuple[UUID, list[tuple[UUID, int]]]:
    return uuid7(), [(chance.choice(products), chance.randint(1, 4)) for _ in range(chance.randint(1, 5))]


def _mixed_batch(products: list[UUID], chance: random.Random) -> list[Any]:
    batch: list[Any] = []
    for _ in range(6):
        order_id, lines = _order(products, chance)
        batch.append(reservation(order_id, lines, minutes=chance.choice([-1, 60])))
        if chance.random() < 0.5:
            batch.append(fulfilment(order_id, lines))
        if chance.random() < 0.4:
            batch.append(release(order_id))
    chance.shuffle(batch)
    return batch


async def _adjust(inventory: Inventory, product_id: UUID, warehouse_id: UUID) -> Any:
    place = {"product_id": str(product_id), "warehouse_id": str(warehouse_id)}
    return await inventory.staff.post("/stock/adjustments", json={**place, "quantity": -1, "reason": "lost"})
