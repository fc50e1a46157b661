"""Orders are exported as CSV: complete, inert in spreadsheets, and in little memory."""

import csv
import io
import tracemalloc
from typing import Any

from order_service.orders.models import FulfilmentStatus
from order_service.search import export
from order_service.search.models import Wanted
from order_service.tests.conftest import Shop
from order_service.tests.search.conftest import Searches

MANY = 4_000
FILL = """
WITH made AS (
    INSERT INTO orders (id, customer_id, status, fulfilment_status, currency, total, captured, refunded, pay_by,
                        ship_to, created_at, status_since, version)
    SELECT uuidv7(), uuidv7(), 'completed', $2, 'GBP', 1000, 1000, 0, now(),
           jsonb_build_object('name', repeat('Ada ', 50), 'country', 'GB'), now(), now(), 1
    FROM generate_series(1, $1::int) RETURNING id
)
INSERT INTO order_lines (order_id, position, product_id, sku, name, quantity, unit_price)
SELECT id, position, uuidv7(), 'SKU', repeat('A mug ', 30), 1, 500 FROM made, generate_series(1, 2) AS position
"""


async def exported(shop: Shop, **filters: Any) -> list[dict[str, str]]:
    answer = await shop.served.caller("orders:export:any").get("/orders/export", params=filters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_a_row_for_each_line_with_amounts_in_minor_units(searches: Searches) -> None:
    mug, plate = await searches.shop.product(1000, sku="MUG"), await searches.shop.product(250, sku="PLATE")
    order_id = (await searches.shop.place(mug, plate)).json()["id"]
    rows = await exported(searches.shop)
    order = await searches.shop.order(order_id)
    assert [(row["position"], row["sku"], row["quantity"], row["line_total"]) for row in rows] == [
        ("1", "MUG", "2", "2000"), ("2", "PLATE", "2", "500"),
    ]  # fmt: skip
    for row in rows:
        assert (row["order_id"], row["order_number"]) == (order_id, order["number"])
        assert (row["currency"], row["order_total"], row["status"]) == ("GBP", "2500", "pending")
        assert (row["recipient"], row["country"]) == ("Ada King", "GB")
    assert tuple(rows[0]) == export.COLUMNS


async def test_the_filters_of_the_list(searches: Searches) -> None:
    mug = await searches.shop.product(sku="MUG")
    wanted = [await searches.order(product=mug) for _ in range(3)]
    await searches.order()
    assert [row["order_id"] for row in await exported(searches.shop, sku="MUG")] == wanted
    assert await exported(searches.shop, sku="CUP") == []


async def test_no_cell_is_a_formula(searches: Searches) -> None:
    harmful = ['=HYPERLINK("http://evil")', "+1", "-1", "@SUM(A1)", "\tx", "\rx", 'harmless, "quoted"\nand long']
    for name in harmful:
        await searches.shop.place(await searches.shop.product(name=name))
    names = [row["name"] for row in await exported(searches.shop)]
    assert names == [*(f"'{name}" for name in harmful[:-1]), harmful[-1]]


async def test_only_those_with_the_permission_export(shop: Shop) -> None:
    for caller in (shop.customer, shop.served.caller("orders:read:any")):
        assert (await caller.get("/orders/export")).status_code == 403


async def test_an_export_takes_as_much_memory_for_many_orders_as_for_few(shop: Shop) -> None:
    await shop.execute(FILL, MANY, FulfilmentStatus.UNFULFILLED)
    database = shop.runtime.database
    size = count = 0

    async def peak_of(orders: int) -> int:
        """The most memory that Python held while so many orders were exported, beyond what it held before."""
        nonlocal size, count
        chunks, size, count = export.chunks(database, Wanted()), 0, 0
        tracemalloc.start()
        async for chunk in chunks:
            size += len(chunk)
            count += chunk.count("\n")
            if count >= 2 * orders:
                break
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        await chunks.aclose()
        return peak

    await peak_of(MANY)  # what is loaded once
    few, many = await peak_of(export.PAGE * 2), await peak_of(MANY)
    assert count == 2 * MANY + 1
    assert many < 1.5 * few, f"{few} bytes for {export.PAGE * 2} orders, {many} for {MANY}"
    assert many < size, "less than the file itself"


async def test_no_connection_is_held_between_two_parts(shop: Shop) -> None:
    await shop.execute(FILL, export.PAGE + 1, FulfilmentStatus.UNFULFILLED)
    chunks = export.chunks(shop.runtime.database, Wanted())
    await anext(chunks)
    busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    assert await shop.execute(busy) == 0
    await chunks.aclose()


async def test_orders_that_are_placed_meanwhile_are_left_out(searches: Searches) -> None:
    order_id = await searches.order()
    chunks = export.chunks(searches.shop.runtime.database, Wanted())
    text = await anext(chunks)
    await searches.order()
    text += "".join([chunk async for chunk in chunks])
    assert [row["order_id"] for row in csv.DictReader(io.StringIO(text))] == [order_id]
