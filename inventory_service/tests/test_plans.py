"""Frequent statements use indexes, so that their cost does not grow with the number of rows."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from inventory_service.personal_data import PERSONAL_DATA
from inventory_service.reservations import use_cases as reservations
from inventory_service.stock import use_cases as stock
from inventory_service.tests.inventory import Inventory, expected, fulfilment, release, reservation
from service_kit.ids import uuid7
from service_kit.personal_data.consumers import erase_again
from tests.harness.plans import SHIP_TO, Statements, fill, sequential_scans
from tests.harness.service import serve

PAGES = (
    *("/reservations", "/returns", "/shipments"),
    *("/stock", "/stock/batches", "/stock/movements", "/stock/receipts"),
)


@pytest.fixture
async def full(statements: Statements) -> AsyncIterator[Inventory]:
    """An inventory service with full tables, whose statements are recorded."""
    async with serve("inventory_service") as served:
        inventory = Inventory(served)
        place = await inventory.warehouse()
        connection = await asyncpg.connect(served.database_url)
        await fill(connection, "products")
        level = {"on_hand": "9", "reserved": "0", "to_publish": "false"}
        await fill(connection, "stock", columns={"warehouse_id": f"'{place}'", **level})
        await fill(connection, "stock_batches", columns={"quantity": "9", "expires_on": "'2020-01-31'"})
        await fill(connection, "reservations", columns={"status": "'fulfilled'"})
        await fill(connection, "reservation_lines")
        status = "(ARRAY['created', 'delivered', 'cancelled'])[1 + n % 3]"
        await fill(connection, "shipments", columns={"status": status, "lines": "'[]'", "ship_to": SHIP_TO})
        await fill(connection, "returns", columns={"status": "'received'", "lines": "'[]'"})
        await fill(connection, "stock_movements", columns={"kind": "'receipt'", "warehouse_id": f"'{place}'"})
        await fill(connection, "stock_receipts", columns={"warehouse_id": f"'{place}'"})
        await fill(connection, "account_status", columns={"erased": "n % 2000 = 0", "changed_at": "now()"})
        for table in ("inbox", "parked_events"):
            await fill(connection, table)
        await fill(connection, "outbox", columns={"published_at": "now()"})
        await connection.close()
        statements.clear()
        yield inventory


async def test_frequent_statements_use_an_index(full: Inventory, statements: Statements) -> None:
    product_id, place = await full.stocked(20)
    lines = [(product_id, 2)]
    kept, dropped, ended = uuid7(), uuid7(), uuid7()
    for order_id in (kept, dropped):
        await full.deliver(reservation(order_id, lines))
        await full.deliver(fulfilment(order_id, lines))
    await full.deliver(release(dropped), reservation(ended, lines, minutes=-1))
    (shipment,) = await full.shipments(kept)
    assert (await full.dispatch(shipment["id"])).status_code == 200
    assert (await full.staff.post(f"/shipments/{shipment['id']}/deliver")).status_code == 200
    back = [expected(kept, [(product_id, 1)]) for _ in range(2)]
    await full.deliver(*back)
    assert (await full.take_back(back[0].return_id, place, (product_id, 1, 0))).status_code == 200
    dated = {"product_id": str(product_id), "quantity": 3, "expires_on": "2020-01-31"}
    await full.book_in(place, dated)
    await stock.expire_batches(full.runtime)
    scrap = {**dated, "warehouse_id": str(place), "quantity": -1, "reason": "rotten"}
    assert (await full.staff.post("/stock/adjustments", json=scrap)).status_code == 201
    await reservations.expire(full.runtime)
    await stock.publish_levels(full.runtime)
    await erase_again(full.runtime, PERSONAL_DATA)
    assert (await full.staff.get("/me/export")).status_code == 200
    for path in PAGES:
        first = (await full.staff.get(path, params={"limit": 1})).json()
        assert (await full.staff.get(path, params={"limit": 1, "cursor": first["next"]})).status_code == 200
    await full.staff.get("/shipments", params={"status": "created"})
    await full.staff.get("/returns", params={"status": "expected"})
    await full.staff.get("/returns", params={"order_id": str(kept)})
    await full.staff.get("/stock/movements", params={"product_id": str(product_id)})
    assert len(statements) > 25
    connection = await asyncpg.connect(full.served.database_url)
    assert await sequential_scans(connection, statements) == {}
    await connection.close()


async def test_the_check_sees_a_missing_index(full: Inventory, statements: Statements) -> None:
    connection = await asyncpg.connect(full.served.database_url)
    await connection.execute("DROP INDEX ix_shipments_order_id")
    await full.shipments(uuid7())
    assert set(await sequential_scans(connection, statements)) == {"shipments"}
    await connection.close()
