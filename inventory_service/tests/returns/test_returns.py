"""Returns, over HTTP: received into stock or as scrap, once, and never more than was approved."""

import asyncio
import random
from typing import Any
from uuid import UUID, uuid4

from contracts.events.shipment_notification import ReturnClosed, ReturnReceived
from inventory_service.returns import use_cases
from inventory_service.tests.inventory import Inventory, expected, fulfilment, reservation
from service_kit.ids import uuid7


async def _sold(inventory: Inventory, quantity: int) -> tuple[UUID, UUID, UUID]:
    """(order, product, warehouse) of an order whose parcel has left; before, the stock was 10."""
    product_id, place = await inventory.stocked(10)
    order_id, lines = uuid7(), [(product_id, quantity)]
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
    (shipment,) = await inventory.shipments(order_id)
    assert (await inventory.dispatch(shipment["id"])).status_code == 200
    return order_id, product_id, place


async def _movements(inventory: Inventory) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await inventory.staff.get("/stock/movements", params={"kind": "return"})).json()[
        "items"
    ]
    return found


async def test_restocked_pieces_are_stock_again(inventory: Inventory) -> None:
    order_id, product_id, _ = await _sold(inventory, 5)
    elsewhere = await inventory.warehouse()
    back = expected(order_id, [(product_id, 4)])
    await inventory.deliver(back)
    listed = (await inventory.staff.get("/returns", params={"status": "expected"})).json()["items"]
    assert [(each["id"], each["number"], each["lines"][0]["quantity"]) for each in listed] == [
        (str(back.return_id), "100042", 4)
    ]
    answer = await inventory.take_back(back.return_id, elsewhere, (product_id, 2, 1))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["status"], found["warehouse_id"], found["version"]) == ("received", str(elsewhere), 2)
    assert found["lines"] == [{"product_id": str(product_id), "quantity": 4, "restocked": 2, "scrapped": 1}]
    assert (await inventory.staff.get(f"/returns/{back.return_id}")).json() == found
    assert await inventory.level(product_id) == (5 + 2, 0)
    [movement] = await _movements(inventory)
    assert (movement["quantity"], movement["warehouse_id"]) == (2, str(elsewhere))
    assert (movement["return_id"], movement["order_id"]) == (str(back.return_id), str(order_id))
    assert movement["booked_by"] == str(inventory.staff.user_id)
    [published] = await inventory.served.events(ReturnReceived)
    assert (published.return_id, published.order_id, published.customer_id, published.version) == (
        back.return_id,
        order_id,
        back.customer_id,
        2,
    )
    assert [(line.product_id, line.restocked, line.scrapped) for line in published.lines] == [(product_id, 2, 1)]
    await inventory.check_books()


async def test_a_repeated_receive_is_booked_once(inventory: Inventory) -> None:
    order_id, product_id, place = await _sold(inventory, 2)
    back = expected(order_id, [(product_id, 2)])
    await inventory.deliver(back, back)
    answers = await asyncio.gather(
        *(inventory.take_back(back.return_id, place, (product_id, 1, 1)) for _ in range(10)), inventory.deliver(back)
    )
    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert len({answer.text for answer in answers[:-1]}) == 1
    otherwise = await inventory.take_back(back.return_id, place, (product_id, 2, 0))
    assert (otherwise.status_code, otherwise.json()["type"]) == (409, "/problems/return-received-otherwise")
    assert (await inventory.take_back(back.return_id, await inventory.warehouse(), (product_id, 1, 1))).is_error
    assert await inventory.level(product_id) == (9, 0)
    assert (await inventory.emitted(order_id)).count("return.received") == 1
    await inventory.check_books()


async def test_of_two_warehouses_that_receive_a_return_concurrently_one_succeeds(inventory: Inventory) -> None:
    for _ in range(5):
        order_id, product_id, place = await _sold(inventory, 3)
        other = await inventory.warehouse()
        back = expected(order_id, [(product_id, 3)])
        await inventory.deliver(back)
        racers = [
            inventory.take_back(back.return_id, place, (product_id, 3, 0)),
            inventory.take_back(back.return_id, other, (product_id, 0, 3)),
        ]
        answers = await asyncio.gather(*random.sample(racers, 2))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        [won] = [answer.json() for answer in answers if answer.is_success]
        assert await inventory.level(product_id) == (7 + won["lines"][0]["restocked"], 0)
        assert (await inventory.emitted(order_id)).count("return.received") == 1
    await inventory.check_books()


async def test_more_than_was_approved_is_rejected(inventory: Inventory) -> None:
    order_id, product_id, place = await _sold(inventory, 5)
    back = expected(order_id, [(product_id, 2)])
    await inventory.deliver(back)
    for lines in ([(product_id, 2, 1)], [(product_id, 3, 0)], [(product_id, 1, 0), (uuid4(), 1, 0)]):
        rejected = await inventory.take_back(back.return_id, place, *lines)
        assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/more-than-expected")
    assert rejected.json()["lines"][0]["came"] == 1
    wrong: tuple[list[tuple[UUID, int, int]], ...] = (
        [(product_id, -1, 0)],
        [(product_id, 1, 0), (product_id, 1, 0)],
        [],
    )
    assert [(await inventory.take_back(back.return_id, place, *each)).status_code for each in wrong] == [422] * 3
    assert (await inventory.take_back(back.return_id, uuid4(), (product_id, 1, 0))).status_code == 404
    assert (await inventory.take_back(uuid4(), place, (product_id, 1, 0))).status_code == 404
    assert await inventory.level(product_id) == (5, 0)
    assert await _movements(inventory) == []


async def test_scrap_is_no_movement_and_an_empty_parcel_cannot_be_received(inventory: Inventory) -> None:
    order_id, product_id, place = await _sold(inventory, 2)
    scrap, empty = expected(order_id, [(product_id, 1)]), expected(order_id, [(product_id, 1)])
    await inventory.deliver(scrap, empty)
    assert (await inventory.take_back(scrap.return_id, place, (product_id, 0, 1))).status_code == 200
    for _ in range(2):
        assert (await inventory.take_back(empty.return_id, place, (product_id, 0, 0))).status_code == 409
    published = await inventory.served.events(ReturnReceived)
    assert [(line.restocked, line.scrapped) for each in published for line in each.lines] == [(0, 1)]
    assert await inventory.level(product_id) == (8, 0)
    assert await _movements(inventory) == []
    await inventory.check_books()


async def test_an_overdue_return_is_closed_by_staff_or_by_the_job(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.stocked(1)
    by_staff, by_time, young = [expected(uuid7(), [(product_id, 1)]) for _ in range(3)]
    await inventory.deliver(by_staff, by_time, young)
    for _ in range(2):
        closed = await inventory.staff.post(f"/returns/{by_staff.return_id}/close")
        assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    late = await inventory.take_back(by_staff.return_id, warehouse_id, (product_id, 1, 0))
    assert (late.status_code, late.json()["type"]) == (409, "/problems/return-ended")
    async with inventory.runtime.database.connection() as hot:
        old = "UPDATE returns SET created_at = created_at - interval '61 days' WHERE id = $1"
        await hot.execute(old, by_time.return_id)
    await use_cases.close_overdue(inventory.runtime)
    published = await inventory.served.events(ReturnClosed)
    assert [event.return_id for event in published] == [by_staff.return_id, by_time.return_id]
    found = (await inventory.staff.get(f"/returns/{young.return_id}")).json()
    assert found["status"] == "expected"
    assert (await inventory.take_back(young.return_id, warehouse_id, (product_id, 1, 0))).status_code == 200
    done = await inventory.staff.post(f"/returns/{young.return_id}/close")
    assert (done.status_code, done.json()["type"]) == (409, "/problems/return-ended")


async def test_a_return_of_nothing_cannot_be_received(inventory: Inventory) -> None:
    product_id, warehouse_id = await inventory.stocked(1)
    back = expected(uuid7(), [(product_id, 1)])
    await inventory.deliver(back)
    rejected = await inventory.take_back(back.return_id, warehouse_id, (product_id, 0, 0))
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/nothing-came")
    assert await inventory.served.events(ReturnReceived) == []
