"""Frequent reads use indexes, so that their cost does not grow with the tables.

Searches by words are excepted: PostgreSQL may choose any plan for them.
"""

import asyncpg

from product_service.tests.conftest import MakeProduct
from tests.harness.plans import Statements, fill, sequential_scans
from tests.harness.service import Served


async def test_frequent_reads_use_indexes(statements: Statements, service: Served, make_product: MakeProduct) -> None:
    connection = await asyncpg.connect(service.database_url)
    await fill(connection, "products", columns={"status": "'active'", "price_currency": "'GBP'"})
    for table in ("availability", "inbox", "parked_events"):
        await fill(connection, table)
    await fill(connection, "prices", columns={"currency": "'GBP'", "min_quantity": "2"})
    await fill(connection, "media", columns={"state": "'ready'"})
    await fill(connection, "outbox", columns={"published_at": "now()"})
    statements.clear()

    made = await make_product()
    anyone = service.anonymous
    for path in (f"/products/{made['id']}", f"/products/by-slug/{made['slug']}"):
        assert (await anyone.get(path)).status_code == 200, path
    assert (await anyone.get(f"/media/{'0' * 64}/320.webp")).status_code == 404
    first = (await anyone.get("/products", params={"limit": 1})).json()
    by_name = (await anyone.get("/products", params={"limit": 1, "sort": "name"})).json()
    for params in (
        {"cursor": first["next"]}, {"cursor": by_name["next"], "sort": "name"}, {"sort": "-name"}, {"sku": made["sku"]}
    ):  # fmt: skip
        answer = await anyone.get("/products", params={"limit": 1, **params})
        assert answer.status_code == 200, answer.text
    assert len(statements) > 5
    assert await sequential_scans(connection, statements) == {}

    await connection.execute("DROP INDEX ix_prices_product_id_starts_at")
    assert set(await sequential_scans(connection, statements)) == {"prices"}, "the check sees a missing index"
    await connection.close()
