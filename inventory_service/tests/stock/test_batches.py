"""Batches that expire: from their day on they are not available, even if they were reserved before."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.events.inventory_deduction import ReservationRejected
from contracts.events.stock_levels import StockChanged
from inventory_service.stock import use_cases
from inventory_service.tests.inventory import Inventory, expected, fulfilment, release, reservation
from service_kit.clock import utcnow
from service_kit.ids import uuid7


def _in_days(days: int) -> str:
    return (utcnow().date() + timedelta(days)).isoformat()


def _line(product_id: UUID, quantity: int, days: int | None, batch: str | None = None) -> dict[str, Any]:
    day = {} if days is None else {"expires_on": _in_days(days)}
    return {"product_id": str(product_id), "quantity": quantity, "batch": batch, **day}


async def _stocked(inventory: Inventory, *batches: tuple[int, int | None]) -> tuple[UUID, UUID]:
    """`batches`: (pieces, in how many days they expire, or None for never). Returns (product, warehouse)."""
    product_id, warehouse_id = await inventory.product(), await inventory.warehouse()
    await inventory.book_in(warehouse_id, *(_line(product_id, quantity, days) for quantity, days in batches))
    return product_id, warehouse_id


async def _let_days_pass(inventory: Inventory, days: int) -> None:
    """Makes all batches older, as if days had passed without a run of the jobs."""
    async with inventory.runtime.database.connection() as hot:
        await hot.execute("UPDATE stock_batches SET expires_on = expires_on - $1::int", days)
        await hot.execute("UPDATE stock SET next_expiry = next_expiry - $1::int", days)


async def _level(inventory: Inventory, product_id: UUID) -> dict[str, int]:
    (item,) = (await inventory.staff.get("/stock", params={"product_id": str(product_id)})).json()["items"]
    return {name: item[name] for name in ("on_hand", "reserved", "expired", "available", "short")}


async def _batches(inventory: Inventory, product_id: UUID) -> list[tuple[str, int, bool]]:
    items = (await inventory.staff.get("/stock/batches", params={"product_id": str(product_id)})).json()["items"]
    return [(item["expires_on"], item["quantity"], item["expired"]) for item in items]


async def _ordered(inventory: Inventory, product_id: UUID, quantity: int) -> dict[str, Any]:
    """The parcel of a paid order."""
    order_id, lines = uuid7(), [(product_id, quantity)]
    await inventory.deliver(reservation(order_id, lines))
    await inventory.deliver(fulfilment(order_id, lines))
    (shipment,) = await inventory.shipments(order_id)
    return shipment


async def _scrap(inventory: Inventory, place: tuple[UUID, UUID], quantity: int, days: int | None) -> Any:
    line = _line(place[0], quantity, days)
    body = {**line, "warehouse_id": str(place[1]), "reason": "rotten"}
    return await inventory.staff.post("/stock/adjustments", json=body)


async def test_pieces_that_arrive_expired_are_booked_and_not_available(inventory: Inventory) -> None:
    """Pieces that expire today are not available either; those that expire tomorrow are."""
    product_id, _ = await _stocked(inventory, (5, -1), (3, 0), (2, 1))
    assert await _level(inventory, product_id) == {
        "on_hand": 10, "reserved": 0, "expired": 8, "available": 2, "short": 0,
    }  # fmt: skip
    order_id = uuid7()
    await inventory.deliver(reservation(order_id, [(product_id, 3)]))
    (rejected,) = await inventory.served.events(ReservationRejected)
    assert [(line.requested, line.available) for line in rejected.lines] == [(3, 2)]
    await use_cases.publish_levels(inventory.runtime)
    (published,) = await inventory.served.events(StockChanged)
    assert (published.on_hand, published.available, published.expired, published.warehouses[0].available) == (
        10,
        2,
        8,
        2,
    )
    await inventory.check_books()


async def test_a_batch_that_expires_today_is_not_reserved_even_before_a_job_has_run(inventory: Inventory) -> None:
    product_id, _ = await _stocked(inventory, (5, 3))
    await _let_days_pass(inventory, 2)
    kept = uuid7()
    await inventory.deliver(reservation(kept, [(product_id, 1)]))
    assert await inventory.status(kept) == "reserved"
    await _let_days_pass(inventory, 1)
    late = uuid7()
    await inventory.deliver(reservation(late, [(product_id, 1)]))
    assert await inventory.status(late) == "rejected"
    await inventory.check_books()


async def test_stock_changes_are_published_when_batches_expire(inventory: Inventory) -> None:
    product_id, _ = await _stocked(inventory, (5, 1), (4, 9))
    await use_cases.publish_levels(inventory.runtime)
    await _let_days_pass(inventory, 1)
    async with inventory.runtime.database.connection() as hot:
        await hot.execute("UPDATE stock SET published_at = published_at - interval '2 seconds'")
    await use_cases.expire_batches(inventory.runtime)
    await use_cases.publish_levels(inventory.runtime)
    before, after = await inventory.served.events(StockChanged)
    assert (before.available, after.available, after.expired) == (9, 4, 5)
    assert after.version > before.version
    await use_cases.expire_batches(inventory.runtime)
    assert len(await _batches(inventory, product_id)) == 2


async def test_a_dispatch_takes_what_expires_first_and_nothing_that_has_expired(inventory: Inventory) -> None:
    product_id, _ = await _stocked(inventory, (2, 5), (3, 2), (4, None), (6, 0))
    assert (await inventory.dispatch((await _ordered(inventory, product_id, 4))["id"])).status_code == 200
    assert await _batches(inventory, product_id) == [(_in_days(0), 6, True), (_in_days(5), 1, False)]
    assert (await inventory.dispatch((await _ordered(inventory, product_id, 3))["id"])).status_code == 200
    assert await _batches(inventory, product_id) == [(_in_days(0), 6, True)]
    assert await _level(inventory, product_id) == {
        "on_hand": 8, "reserved": 0, "expired": 6, "available": 2, "short": 0,
    }  # fmt: skip
    await inventory.check_books()


async def test_a_parcel_whose_goods_have_expired_waits_for_fresh_stock(inventory: Inventory) -> None:
    product_id, warehouse_id = await _stocked(inventory, (5, 1))
    parcel = await _ordered(inventory, product_id, 4)
    await _let_days_pass(inventory, 1)
    rejected = await inventory.dispatch(parcel["id"])
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/stock-expired")
    assert rejected.json()["lines"] == [{"product_id": str(product_id), "quantity": 4, "fresh": 0}]
    await use_cases.expire_batches(inventory.runtime)
    assert (await _level(inventory, product_id))["short"] == 4
    await inventory.check_books()
    await inventory.book_in(warehouse_id, _line(product_id, 4, 30))
    assert (await inventory.dispatch(parcel["id"])).status_code == 200
    assert await _batches(inventory, product_id) == [(_in_days(0), 5, True)]
    await inventory.check_books()


async def test_expired_goods_do_not_stop_the_other_parcels_of_a_collection(inventory: Inventory) -> None:
    gone, _ = await _stocked(inventory, (5, 1))
    fresh, _ = await _stocked(inventory, (5, 9))
    parcels = [await _ordered(inventory, product, 2) for product in (fresh, gone, fresh)]
    await _let_days_pass(inventory, 1)
    items = await inventory.dispatch_all(*(parcel["id"] for parcel in parcels))
    assert [item["status"] for item in items] == ["dispatched", None, "dispatched"]
    assert items[1]["problem"]["type"] == "/problems/stock-expired"
    await inventory.check_books()


async def test_releasing_expired_stock_does_not_make_it_available(inventory: Inventory) -> None:
    """In one batch, where released pieces could be reserved again at once."""
    product_id, _ = await _stocked(inventory, (5, 1))
    first, second = uuid7(), uuid7()
    await inventory.deliver(reservation(first, [(product_id, 5)]))
    await _let_days_pass(inventory, 1)
    await inventory.answer(release(first), reservation(second, [(product_id, 1)]))
    assert await inventory.status(second) == "rejected"
    await inventory.check_books()


async def test_expired_pieces_are_scrapped_by_naming_their_batch(inventory: Inventory) -> None:
    place = await _stocked(inventory, (5, 0), (3, 4), (2, None))
    assert (await _scrap(inventory, place, -6, 0)).json()["type"] == "/problems/batch-too-small"
    assert (await _scrap(inventory, place, -1, 7)).json()["type"] == "/problems/batch-too-small"
    assert (await _scrap(inventory, place, -6, None)).json()["type"] == "/problems/below-reserved"
    scrapped = await _scrap(inventory, place, -5, 0)
    assert (scrapped.status_code, scrapped.json()["expires_on"]) == (201, _in_days(0))
    assert (await _scrap(inventory, place, -4, None)).status_code == 201
    assert await _batches(inventory, place[0]) == []
    assert await _level(inventory, place[0]) == {
        "on_hand": 1, "reserved": 0, "expired": 0, "available": 1, "short": 0,
    }  # fmt: skip
    assert (await _scrap(inventory, place, 2, 0)).status_code == 201, "expired pieces were found"
    assert (await _level(inventory, place[0]))["available"] == 1
    body = {**_line(place[0], 1, None, "B-1"), "warehouse_id": str(place[1]), "reason": "found"}
    assert (await inventory.staff.post("/stock/adjustments", json=body)).status_code == 422
    await inventory.check_books()


async def test_a_loss_cannot_take_reserved_pieces_while_only_expired_ones_are_free(inventory: Inventory) -> None:
    place = await _stocked(inventory, (5, 0), (3, 4))
    await inventory.deliver(reservation(uuid7(), [(place[0], 3)]))
    rejected = await _scrap(inventory, place, -1, None)
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/below-reserved")
    assert (await _scrap(inventory, place, -5, 0)).status_code == 201


async def test_restocked_pieces_keep_their_expiry_date(inventory: Inventory) -> None:
    product_id, warehouse_id = await _stocked(inventory, (5, 1))
    back = expected(uuid7(), [(product_id, 2)])
    await inventory.deliver(back)
    line = {"product_id": str(product_id), "restock": 2, "expires_on": _in_days(0)}
    body = {"warehouse_id": str(warehouse_id), "lines": [line]}
    assert (await inventory.staff.post(f"/returns/{back.return_id}/receive", json=body)).status_code == 200
    assert (await _level(inventory, product_id))["available"] == 5
    await inventory.check_books()


async def test_concurrent_dispatches_receipts_and_losses_keep_the_sums_right(inventory: Inventory) -> None:
    product_id, warehouse_id = place = await _stocked(inventory, (10, 3), (10, 6), (10, None), (7, 0))
    parcels = [await _ordered(inventory, product_id, 2) for _ in range(12)]
    answers = await asyncio.gather(
        *(inventory.dispatch(parcel["id"]) for parcel in parcels),
        *(inventory.book_in(warehouse_id, _line(product_id, 1, days)) for days in (1, 2, 0, 4)),
        *(_scrap(inventory, place, -1, days) for days in (0, 0, None)),
    )
    assert {answer.status_code for answer in answers[:12]} == {200}
    assert {answer.status_code for answer in answers[16:]} == {201}
    assert await _level(inventory, product_id) == {
        "on_hand": 37 + 4 - 3 - 24, "reserved": 0, "expired": 6, "available": 8, "short": 0,
    }  # fmt: skip
    await inventory.check_books()
