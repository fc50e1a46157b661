"""How orders are shown: one with all its lines, many by their first ones, and the lines by the page."""

import itertools
from typing import Any
from uuid import UUID, uuid4

import pytest

from order_service.orders.models import PAYMENT_STATUS, Order, OrderLine, PaymentStatus, payment_status
from order_service.orders.schemas import OrderOut
from order_service.tests.conftest import SHIP_TO, Shop
from service_kit.clock import utcnow

# An address as it was stored before it had all its present fields.
OLD_ADDRESS = {name: SHIP_TO[name] for name in ("name", "line1", "city", "country")}


async def stored(shop: Shop, lines: int, **columns: Any) -> UUID:
    """An order of so many lines."""
    now = utcnow()
    usual: dict[str, Any] = {
        "customer_id": shop.customer.user_id, "status": "paid", "fulfilment_status": "unfulfilled", "currency": "GBP",
        "total": 100 * lines, "pay_by": now, "ship_to": OLD_ADDRESS, "status_since": now, "version": 5,
    }  # fmt: skip
    order = Order(**{**usual, **columns})
    async with shop.runtime.database.session() as tx:
        tx.add(order)
        tx.add_all(
            OrderLine(
                order_id=order.id, position=n, product_id=uuid4(), sku=f"S{n}", name='A "mug" – é', quantity=n,
                unit_price=100, discount=n % 3, tax=2 * n,
            )
            for n in range(1, lines + 1)
        )  # fmt: skip
    return order.id


@pytest.mark.parametrize(("lines", "columns"), [(1, {}), (7, {"captured": 700, "stuck_reason": "nobody answers"})])
async def test_a_rendered_order_matches_its_schema(shop: Shop, lines: int, columns: dict[str, Any]) -> None:
    """PostgreSQL writes the answer: it must hold what the model would."""
    order_id = await stored(shop, lines, **columns)
    async with shop.runtime.database.session() as tx:
        order = await tx.get_one(Order, order_id)
        rows = [await tx.get_one(OrderLine, (order_id, position)) for position in range(1, lines + 1)]
    expected = OrderOut.of(order, rows)
    answer = await shop.customer.get(f"/orders/{order_id}")
    assert OrderOut.model_validate_json(answer.content) == expected
    assert answer.json().keys() == expected.model_dump().keys()
    assert answer.json()["lines"][0].keys() == expected.lines[0].model_dump().keys()
    assert answer.json()["ship_to"] == expected.ship_to.model_dump()


async def test_the_payment_status_is_the_same_in_sql(shop: Shop) -> None:
    cases = list(itertools.product([0, 100], [0, 50, 100, 150], [0, 50, 100, 150]))
    sql = (
        f"SELECT array_agg({PAYMENT_STATUS} ORDER BY n) FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])"
        " WITH ORDINALITY AS o (total, captured, refunded, n)"
    )
    found = await shop.execute(sql, *map(list, zip(*cases, strict=True)))
    assert [PaymentStatus(each) for each in found] == [payment_status(*case) for case in cases]


async def test_a_list_shows_the_first_five_lines_and_how_many_there_are(shop: Shop) -> None:
    counts = [1, 4, 5, 6, 2000]
    orders = [await stored(shop, count) for count in counts]
    items = (await shop.customer.get("/orders", params={"sort": "created_at"})).json()["items"]
    assert [UUID(item["id"]) for item in items] == orders
    assert [item["line_count"] for item in items] == counts
    assert [[line["sku"] for line in item["lines"]] for item in items] == [
        [f"S{n}" for n in range(1, min(count, 5) + 1)] for count in counts
    ]
    whole = (await shop.customer.get(f"/orders/{orders[-1]}")).json()
    assert (whole["line_count"], len(whole["lines"])) == (2000, 2000)
    assert whole["lines"][:5] == items[-1]["lines"]
    assert whole.keys() - items[-1].keys() == {"quote", "bill_to"}
    assert {name: whole[name] for name in items[-1]} | {"lines": items[-1]["lines"]} == items[-1]


async def test_the_lines_of_an_order_come_by_the_page(shop: Shop) -> None:
    order_id = await stored(shop, 7)
    whole = (await shop.customer.get(f"/orders/{order_id}")).json()["lines"]
    found: list[Any] = []
    cursor = None
    for expected in (3, 3, 1):
        params = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        page = (await shop.customer.get(f"/orders/{order_id}/lines", params=params)).json()
        assert len(page["items"]) == expected
        found, cursor = [*found, *page["items"]], page["next"]
    assert (found, cursor) == (whole, None)
    assert (await shop.served.caller().get(f"/orders/{order_id}/lines")).status_code == 404
    assert (await shop.staff.get(f"/orders/{order_id}/lines")).status_code == 200


async def test_a_page_of_the_largest_orders_is_small(shop: Shop) -> None:
    """25 orders of 2,000 lines were 9 MB, and stopped the service for seconds."""
    for _ in range(25):
        await stored(shop, 2000)
    answer = await shop.customer.get("/orders", params={"limit": "25"})
    assert len(answer.json()["items"]) == 25
    assert len(answer.content) < 64 * 1024
