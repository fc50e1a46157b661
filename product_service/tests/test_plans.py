"""Frequent reads use indexes, so that their cost does not grow with the tables.

Searches by words are excepted: PostgreSQL may choose any plan for them.
"""

from uuid import uuid4

import asyncpg

from product_service.tests.conftest import MakeProduct
from tests.harness.plans import Statements, fill, sequential_scans
from tests.harness.service import Caller, Served


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


async def test_filters_and_collapsed_lists_use_indexes(statements: Statements, service: Served, staff: Caller) -> None:
    connection = await asyncpg.connect(service.database_url)
    columns = {
        "status": "'active'", "name": "'word' || n", "brand": "'B' || n", "gtin": "n::text", "price_currency": "'GBP'",
        "family_id": "CASE WHEN n > 100 THEN uuidv7() END", "external_ids": "jsonb_build_object('erp', n::text)",
        "options": "CASE WHEN n > 100 THEN jsonb_build_object('size', n::text) ELSE '{}' END",
        "attributes": "jsonb_build_object('colour', n::text)",
    }  # fmt: skip
    await fill(connection, "products", columns=columns)
    await fill(connection, "prices", columns={"currency": "'GBP'", "min_quantity": "2"})
    for table in ("families", "availability"):
        await fill(connection, table)
    await staff.post("/attributes", json={"name": "colour", "kind": "text"})
    statements.clear()

    first = (await service.anonymous.get("/products?collapse=family&limit=2")).json()
    for query in (
        f"collapse=family&cursor={first['next']}", "collapse=family&sort=name", f"family_id={uuid4()}", "brand=B7",
        "gtin=5901234123457", "external_id=erp=7", "attr=colour:7", "option=size:7",
    ):  # fmt: skip
        answer = await staff.get(f"/products?limit=2&{query}")
        assert answer.status_code == 200, answer.text
    assert len(statements) > 8
    assert await sequential_scans(connection, statements) == {}
    await connection.close()


async def test_the_words_of_a_search_are_looked_up_in_indexes(statements: Statements, service: Served) -> None:
    connection = await asyncpg.connect(service.database_url)
    await fill(connection, "search_words", columns={"word": "'word' || n"})
    await fill(connection, "synonyms", columns={"words": "ARRAY['word' || n]"})
    statements.clear()
    await service.anonymous.get("/products", params={"q": "wrod12 word1", "limit": 2})
    of_words = {sql: values for sql, values in statements.items() if "search_words" in sql}
    assert len(of_words) == 2, "words are looked up, and corrected"
    await connection.execute("SET enable_seqscan = off")  # as on the connections of the service
    assert await sequential_scans(connection, of_words) == {}
    await connection.execute("DROP INDEX ix_search_words_deletions")
    assert set(await sequential_scans(connection, of_words)) == {"search_words"}, "the check sees a missing index"
    await connection.close()
