"""The history of base prices."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from product_service.tests.conftest import Json, MakeProduct
from service_kit.clock import utcnow
from tests.harness.service import Caller, Served


async def history(service: Served, product: Json) -> list[tuple[int, str, datetime]]:
    read = """
    SELECT amount, currency, effective_from FROM base_price_history WHERE product_id = $1 ORDER BY effective_from
    """
    async with service.runtime.database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(read, UUID(product["id"]))]


async def execute(service: Served, *statements: str) -> None:
    """Executes all statements in one transaction."""
    async with service.runtime.database.transaction() as tx:
        for statement in statements:
            await tx.execute(statement)


async def change(staff: Caller, product: Json, **fields: Any) -> int:
    return (await staff.patch(f"/products/{product['id']}", json=fields)).status_code


def gbp(amount: int) -> Json:
    return {"amount": amount, "currency": "GBP"}


async def test_each_change_of_a_base_price_is_recorded(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    before = utcnow()
    product, other = await make_product(price=gbp(1000)), await make_product(price=gbp(5))
    for price in (gbp(900), gbp(900), {"amount": 900, "currency": "EUR"}, gbp(1000)):
        assert await change(staff, product, price=price, name="A mug") == 200
    found = await history(service, product)
    assert [row[:2] for row in found] == [(1000, "GBP"), (900, "GBP"), (900, "EUR"), (1000, "GBP")]
    times = [before, *(row[2] for row in found), utcnow()]
    assert times == sorted(set(times))
    assert [row[0] for row in await history(service, other)] == [5]


async def test_other_changes_are_not_recorded(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    scheduled = await staff.post(f"/products/{product['id']}/prices", json=gbp(1))
    assert scheduled.status_code == 201
    assert await change(staff, product, name="Another name", status="archived") == 200
    assert await change(staff, product, price=gbp(0)) == 422
    taken = await staff.post("/products", json={"sku": product["sku"], "name": "A mug", "price": gbp(7)})
    assert taken.status_code == 409
    assert len(await history(service, product)) == 1
    async with service.runtime.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM base_price_history") == 1


async def test_a_change_that_is_rolled_back_is_not_recorded(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(service, "UPDATE products SET price_amount = 1", "UPDATE products SET price_amount = 0")
    assert len(await history(service, product)) == 1


async def test_recorded_prices_cannot_be_changed_or_deleted(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product(status="draft")
    assert (await staff.delete(f"/products/{product['id']}")).status_code == 204
    for statement in (
        "UPDATE base_price_history SET amount = 1",
        "DELETE FROM base_price_history",
        "TRUNCATE base_price_history",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
            await execute(service, statement)
    assert len(await history(service, product)) == 1, "also of a draft that was deleted"
