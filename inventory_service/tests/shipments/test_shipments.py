"""Shipments, over HTTP."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

from contracts.events.inventory_deduction import StockDeducted
from contracts.events.shipment_notification import (
    ShipmentCorrected,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentLost,
)
from contracts.quantity import LineQuantity, ProductQuantity
from inventory_service.tests.inventory import Inventory, expected, fulfilment, refunded, release, reservation
from service_kit.ids import uuid7
from tests.harness.service import serve


async def _paid(inventory: Inventory, *quantities: int) -> tuple[UUID, UUID, str]:
    """(order, product, shipment) of a paid order with these quantities of one product as its lines."""
    product_id, _ = await inventory.stocked(10)
    order_id, lines = uuid7(), [(product_id, quantity) for quantity in quantities]
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
    (shipment,) = await inventory.shipments(order_id)
    return order_id, product_id, shipment["id"]


async def test_a_dispatch_deducts_stock_and_is_published(inventory: Inventory) -> None:
    order_id, product_id, shipment_id = await _paid(inventory, 2, 1)
    answer = await inventory.dispatch(shipment_id, "RM42")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["tracking_number"]) == ("dispatched", "RM42")
    assert (await inventory.staff.get(f"/shipments/{shipment_id}")).json() == answer.json()
    lines = [ProductQuantity(product_id=product_id, quantity=2), ProductQuantity(product_id=product_id, quantity=1)]
    (deducted,) = await inventory.served.events(StockDeducted)
    assert (deducted.shipment_id, deducted.lines, deducted.version) == (UUID(shipment_id), lines, 2)
    (dispatched,) = await inventory.served.events(ShipmentDispatched)
    parts = [LineQuantity(**line.model_dump(), position=n) for n, line in enumerate(lines, 1)]
    assert (dispatched.order_id, dispatched.lines, dispatched.version) == (order_id, parts, 2)
    assert (dispatched.carrier, dispatched.tracking_number) == ("Royal Mail", "RM42")
    assert (dispatched.number, dispatched.shipments_of_order) == ("100042", 1)
    assert await inventory.level(product_id) == (7, 0)
    query = {"product_id": str(product_id), "kind": "dispatch"}
    (movement,) = (await inventory.staff.get("/stock/movements", params=query)).json()["items"]
    assert (movement["quantity"], movement["order_id"], movement["shipment_id"]) == (-3, str(order_id), shipment_id)
    assert movement["booked_by"] == str(inventory.staff.user_id)
    found = (await inventory.staff.get(f"/reservations/{order_id}")).json()
    assert (found["status"], found["lines"]) == ("fulfilled", [])
    await inventory.check_books()


async def test_a_repeated_dispatch_deducts_stock_once(inventory: Inventory) -> None:
    _, product_id, shipment_id = await _paid(inventory, 2)
    first, again = await inventory.dispatch(shipment_id), await inventory.dispatch(shipment_id)
    assert (again.status_code, again.json()) == (200, first.json())
    other = await inventory.dispatch(shipment_id, "RM2")
    assert (other.status_code, other.json()["shipment_status"]) == (409, "dispatched")
    assert (await inventory.emitted()).count("shipment.dispatched") == 1
    assert await inventory.level(product_id) == (8, 0)
    await inventory.check_books()


async def test_dispatches_go_on_while_a_migration_adds_a_column(inventory: Inventory) -> None:
    """PostgreSQL rejects a prepared statement whose result has other columns than when it was prepared."""
    shipments = [(await _paid(inventory, 1))[2] for _ in range(12)]
    before = [(await inventory.dispatch(each)).status_code for each in shipments[:6]]
    database = inventory.runtime.database
    async with database.transaction() as tx:
        await tx.execute("ALTER TABLE shipments ADD COLUMN of_the_next_release text")
    try:
        after = [(await inventory.dispatch(each)).status_code for each in shipments[6:]]
    finally:
        async with database.transaction() as tx:
            await tx.execute("ALTER TABLE shipments DROP COLUMN of_the_next_release")
    assert before + after == [200] * 12


async def test_a_collection_dispatches_each_parcel_by_itself(inventory: Inventory) -> None:
    (first_order, product_id, first), (second_order, other_product, second) = (
        await _paid(inventory, 2, 1),
        await _paid(inventory, 3),
    )
    withdrawn, kept_product, cancelled = await _paid(inventory, 1)
    await inventory.deliver(release(withdrawn))
    unknown = uuid4()
    found = await inventory.dispatch_all(first, unknown, cancelled, second)
    assert [each["status"] for each in found] == ["dispatched", None, None, "dispatched"]
    assert [each["problem"] and each["problem"]["status"] for each in found] == [None, 404, 409, None]
    assert found[2]["problem"]["shipment_status"] == "cancelled"
    for order_id, shipment_id in ((first_order, first), (second_order, second)):
        assert (await inventory.emitted(order_id))[-2:] == ["stock.deducted", "shipment.dispatched"]
        assert await inventory.status(order_id) == "fulfilled"
        shipment = (await inventory.staff.get(f"/shipments/{shipment_id}")).json()
        assert (shipment["status"], shipment["tracking_number"], shipment["version"]) == ("dispatched", "RM1", 2)
    levels = [await inventory.level(each) for each in (product_id, other_product, kept_product)]
    assert levels == [(7, 0), (7, 0), (10, 0)]
    assert "shipment.dispatched" not in await inventory.emitted(withdrawn)
    await inventory.check_books()


async def test_a_repeated_collection_dispatches_each_parcel_once(inventory: Inventory) -> None:
    order_id, product_id, shipment_id = await _paid(inventory, 2)
    twice = await inventory.dispatch_all(shipment_id, shipment_id)
    assert [each["status"] for each in twice] == ["dispatched", "dispatched"]
    assert await inventory.dispatch_all(shipment_id, shipment_id) == twice
    (other,) = await inventory.dispatch_all(shipment_id, tracking_number="RM2")
    assert (other["status"], other["problem"]["type"]) == (None, "/problems/shipment-not-to-dispatch")
    assert (await inventory.emitted(order_id)).count("shipment.dispatched") == 1
    assert await inventory.level(product_id) == (8, 0)
    await inventory.check_books()


async def test_a_collection_may_contain_all_parcels_of_an_order(inventory: Inventory) -> None:
    product_id, order_id = await inventory.product(), uuid7()
    for _ in range(3):
        await inventory.receive(await inventory.warehouse(), (product_id, 2))
    lines = [(product_id, 6)]
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
    parcels = [each["id"] for each in await inventory.shipments(order_id)]
    assert len(parcels) == 3
    assert [each["status"] for each in await inventory.dispatch_all(*parcels)] == ["dispatched"] * 3
    assert await inventory.status(order_id) == "fulfilled"
    assert (await inventory.emitted(order_id)).count("shipment.dispatched") == 3
    assert await inventory.level(product_id) == (0, 0)
    await inventory.check_books()


async def test_a_collection_has_between_1_and_100_valid_parcels(inventory: Inventory) -> None:
    parcel = {"shipment_id": str(uuid4()), "carrier": "Royal Mail", "tracking_number": "RM1"}
    for parcels in ([], [parcel] * 101, [{**parcel, "carrier": ""}]):
        assert (await inventory.staff.post("/dispatches", json={"parcels": parcels})).status_code == 422


async def test_a_shipment_is_delivered_once_and_only_after_its_dispatch(inventory: Inventory) -> None:
    _, _, shipment_id = await _paid(inventory, 2)
    early = await inventory.staff.post(f"/shipments/{shipment_id}/deliver")
    assert (early.status_code, early.json()["type"]) == (409, "/problems/shipment-not-to-deliver")
    await inventory.dispatch(shipment_id)
    answers = [await inventory.staff.post(f"/shipments/{shipment_id}/deliver") for _ in range(2)]
    assert [answer.json()["status"] for answer in answers] == ["delivered", "delivered"]
    assert answers[0].json() == answers[1].json()
    (delivered,) = await inventory.served.events(ShipmentDelivered)
    assert (delivered.shipment_id, delivered.version) == (UUID(shipment_id), 3)
    assert (await inventory.dispatch(shipment_id)).status_code == 409


async def test_an_unknown_shipment_is_not_found(inventory: Inventory) -> None:
    assert (await inventory.dispatch(uuid4())).status_code == 404
    assert (await inventory.staff.post(f"/shipments/{uuid4()}/deliver")).status_code == 404
    assert (await inventory.staff.get(f"/shipments/{uuid4()}")).status_code == 404


async def test_the_list_is_sorted_by_time_and_filtered(inventory: Inventory) -> None:
    gone, _, gone_shipment = await _paid(inventory, 1)
    _, _, waiting_shipment = await _paid(inventory, 1)
    await inventory.dispatch(gone_shipment)

    async def found(**query: str) -> list[str]:
        return [each["id"] for each in (await inventory.staff.get("/shipments", params=query)).json()["items"]]

    assert await found() == [waiting_shipment, gone_shipment], "the newest first"
    assert await found(sort="created_at") == [gone_shipment, waiting_shipment]
    assert await found(status="created") == [waiting_shipment]
    assert await found(order_id=str(gone)) == [gone_shipment]
    warehouse_id = (await inventory.staff.get(f"/shipments/{gone_shipment}")).json()["warehouse_id"]
    assert await found(warehouse_id=warehouse_id) == [gone_shipment]
    assert (await inventory.staff.get("/shipments", params={"status": "gone"})).status_code == 422


async def test_lists_show_the_first_five_lines_and_the_number_of_lines(inventory: Inventory) -> None:
    """In lists of shipments and of returns: a page of rows with 2,000 lines each would take too long."""
    product_id, _ = await inventory.stocked(100)
    order_id, lines = uuid7(), [(product_id, 1)] * 7
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
    [parcel] = await inventory.shipments(order_id)
    assert (len(parcel["lines"]), parcel["line_count"]) == (5, 7)
    whole = (await inventory.staff.get(f"/shipments/{parcel['id']}")).json()
    assert len(whole["lines"]) == 7
    assert whole["lines"][:5] == parcel["lines"]
    back = expected(order_id, [(uuid7(), n) for n in range(1, 8)])
    await inventory.deliver(back)
    [listed] = (await inventory.staff.get("/returns", params={"order_id": str(order_id)})).json()["items"]
    assert (listed["line_count"], [line["quantity"] for line in listed["lines"]]) == (7, [1, 2, 3, 4, 5])
    assert len((await inventory.staff.get(f"/returns/{back.return_id}")).json()["lines"]) == 7


async def test_a_refunded_parcel_is_dispatched_only_with_a_confirmation(inventory: Inventory) -> None:
    """By itself, and in a collection."""
    parcel, other = [await _packed(inventory) for _ in range(2)]
    await inventory.deliver(*(refunded(UUID(each["order_id"])) for each in (parcel, other)))
    assert [(await inventory.shipments(UUID(each["order_id"])))[0]["refunded"] for each in (parcel, other)] == [
        True
    ] * 2
    rejected = await inventory.dispatch(parcel["id"])
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/shipment-refunded")
    [item] = await inventory.dispatch_all(parcel["id"])
    assert item["problem"]["type"] == "/problems/shipment-refunded"
    listed = (await inventory.staff.get("/shipments", params={"refunded": True})).json()["items"]
    assert {each["id"] for each in listed} == {parcel["id"], other["id"]}
    body = {"carrier": "Royal Mail", "tracking_number": "RM1", "confirm_refunded": True}
    assert (await inventory.staff.post(f"/shipments/{parcel['id']}/dispatch", json=body)).status_code == 200
    await inventory.deliver(refunded(UUID(other["order_id"]), refunded=False))
    assert (await inventory.dispatch(other["id"])).status_code == 200
    await inventory.check_books()


async def test_concurrent_dispatches_and_refunds_exclude_each_other(inventory: Inventory) -> None:
    """Each parcel is either dispatched or marked as refunded, never both."""
    parcels = [await _packed(inventory) for _ in range(20)]
    await asyncio.gather(
        *(inventory.dispatch(parcel["id"]) for parcel in parcels),
        *(inventory.deliver(refunded(UUID(parcel["order_id"]))) for parcel in parcels),
    )
    for parcel in parcels:
        [found] = await inventory.shipments(UUID(parcel["order_id"]))
        assert (found["status"] == "dispatched") != found["refunded"]
    await inventory.check_books()


async def _packed(inventory: Inventory) -> dict[str, Any]:
    """The only parcel of a paid order."""
    product_id, _ = await inventory.stocked(1)
    order_id, lines = uuid7(), [(product_id, 1)]
    await inventory.deliver(reservation(order_id, lines), fulfilment(order_id, lines))
    [parcel] = await inventory.shipments(order_id)
    return parcel


async def _left(inventory: Inventory) -> dict[str, Any]:
    parcel = await _packed(inventory)
    answer = await inventory.dispatch(parcel["id"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_lost_parcel_is_published_once_and_returns_no_stock(inventory: Inventory) -> None:
    parcel, packed = await _left(inventory), await _packed(inventory)
    path = f"/shipments/{parcel['id']}"
    for _ in range(2):
        lost = await inventory.staff.post(f"{path}/lost")
        assert (lost.status_code, lost.json()["status"]) == (200, "lost")
    [published] = await inventory.served.events(ShipmentLost)
    assert [(line.quantity, line.position) for line in published.lines] == [(1, 1)]
    assert await inventory.level(published.lines[0].product_id) == (0, 0)
    late = await inventory.staff.post(f"{path}/deliver")
    assert (late.status_code, late.json()["type"]) == (409, "/problems/shipment-not-to-deliver")
    early = await inventory.staff.post(f"/shipments/{packed['id']}/lost")
    assert (early.status_code, early.json()["type"]) == (409, "/problems/shipment-not-to-lose")
    await inventory.deliver(release(UUID(parcel["order_id"])))
    assert "release.refused" in await inventory.emitted(UUID(parcel["order_id"])), "it has left"
    assert (await inventory.served.caller().post(f"{path}/lost")).status_code == 403
    await inventory.check_books()


async def test_concurrent_loss_and_delivery_exclude_each_other(inventory: Inventory) -> None:
    for parcel in [await _left(inventory) for _ in range(10)]:
        path = f"/shipments/{parcel['id']}"
        answers = await asyncio.gather(inventory.staff.post(f"{path}/lost"), inventory.staff.post(f"{path}/deliver"))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        published = await inventory.emitted(UUID(parcel["order_id"]))
        assert len({"shipment.lost", "shipment.delivered"} & set(published)) == 1


async def test_a_corrected_tracking_number_is_published_and_the_former_one_is_kept(inventory: Inventory) -> None:
    parcel = await _left(inventory)
    path = f"/shipments/{parcel['id']}/dispatch"
    for _ in range(2):
        right = await inventory.staff.patch(path, json={"tracking_number": "RM2"})
        assert (right.status_code, right.json()["tracking_number"]) == (200, "RM2")
    [was] = right.json()["corrections"]
    assert (was["carrier"], was["tracking_number"]) == ("Royal Mail", "RM1")
    assert was["corrected_by"] == str(inventory.staff.user_id)
    [published] = await inventory.served.events(ShipmentCorrected)
    assert (published.carrier, published.tracking_number, published.status) == ("Royal Mail", "RM2", "dispatched")
    assert (await inventory.dispatch(parcel["id"])).status_code == 200, "a repeated dispatch is still recognised"
    assert (await inventory.staff.post(f"/shipments/{parcel['id']}/deliver")).status_code == 200
    stale = await inventory.staff.patch(path, json={"carrier": "DHL"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await inventory.staff.patch(path, json={})).status_code == 422
    assert (await inventory.staff.patch(path, json={"tracking_url": "http://a.example"})).status_code == 422
    packed = await _packed(inventory)
    early = await inventory.staff.patch(f"/shipments/{packed['id']}/dispatch", json={"carrier": "DHL"})
    assert (early.status_code, early.json()["type"]) == (409, "/problems/shipment-not-to-correct")


async def test_the_tracking_url_comes_from_the_carriers_template_or_from_the_request() -> None:
    templates = {"Royal Mail": "https://mail.example/track?n={tracking_number}"}
    async with serve("inventory_service", tracking_urls=templates) as served:
        inventory = Inventory(served)
        parcel = await _packed(inventory)
        left = await inventory.dispatch(parcel["id"], "RM 1/2")
        assert left.json()["tracking_url"] == "https://mail.example/track?n=RM%201%2F2"
        path = f"/shipments/{parcel['id']}/dispatch"
        other = (await inventory.staff.patch(path, json={"carrier": "Van"})).json()
        assert (other["carrier"], other["tracking_url"]) == ("Van", None)
        emitted = (await inventory.staff.patch(path, json={"tracking_url": "https://van.example/7"})).json()
        assert emitted["tracking_url"] == "https://van.example/7"
        [published] = await inventory.served.events(ShipmentDispatched)
        assert published.tracking_url == "https://mail.example/track?n=RM%201%2F2"
