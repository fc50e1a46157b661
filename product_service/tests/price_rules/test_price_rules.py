"""Price rules over HTTP, and the job that sets prices by them."""

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events.order_notification import OrderedLine, OrderPlaced
from contracts.events.products import ProductChanged
from contracts.events.stock_levels import StockChanged
from contracts.money import Money
from product_service.price_rules import jobs, use_cases
from product_service.tests.conftest import Json, MakeCategory, MakeProduct
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from tests.harness.service import Caller, Served


async def make_rule(staff: Caller, percent: float | None = 10, **fields: Any) -> Json:
    body = {"name": "r1", "currency": "GBP", "cooldown_seconds": 0, "effect": {"percent": percent}, **fields}
    answer = await staff.post("/price-rules", json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def run(service: Served) -> None:
    while await jobs.apply_price_rules(service.runtime):
        pass


async def stock(service: Served, product: Json, available: int, version: int = 1) -> None:
    await service.deliver(
        StockChanged(
            product_id=UUID(product["id"]), version=version, on_hand=available, reserved=0, available=available,
            warehouses=[],
        )
    )  # fmt: skip


async def order(service: Served, product: Json, quantity: int) -> None:
    total = Money(amount=1, currency="GBP")
    line = OrderedLine(product_id=UUID(product["id"]), quantity=quantity, unit_price=1)
    await service.deliver(
        OrderPlaced(order_id=uuid7(), customer_id=uuid4(), version=1, number="100001", total=total, lines=[line])
    )


async def price(service: Served, product: Json) -> int:
    found: int = (await service.anonymous.get(f"/products/{product['id']}")).json()["unit_price"]["amount"]
    return found


async def test_a_price_follows_the_stock(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product, other = await make_product(), await make_product()
    await make_rule(staff, when={"stock_below": 5}, ceiling=1080, ending=99)
    await run(service)
    assert await price(service, product) == 1000
    await stock(service, product, 3)
    await run(service)
    assert (await price(service, product), await price(service, other)) == (1080, 1000)
    found = (await staff.get(f"/products/{product['id']}/prices/explain")).json()["candidates"][0]
    assert [step["reason"] for step in found["why"]] == [
        "base price", "rule r1: +10 % (3 left)", "ceiling", "ending not applied",
    ]  # fmt: skip
    await run(service)
    await stock(service, product, 4, version=2)
    await run(service)
    versions = Counter(event.product_id for event in await service.events(ProductChanged))
    assert versions[UUID(product["id"])] == 2, "one event for one change, and none without"
    await stock(service, product, 5, version=3)
    await run(service)
    assert await price(service, product) == 1000


async def test_a_price_follows_the_demand(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    await order(service, product, 13)
    await make_rule(staff, when={"demand_above": 2, "demand_days": 7})
    await run(service)
    assert await price(service, product) == 1000
    await order(service, product, 2)
    await run(service)
    assert await price(service, product) == 1100


async def test_a_price_follows_its_window(
    service: Served, staff: Caller, make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    product, today = await make_product(), utcnow().date()
    await make_rule(staff, -20, window={"starts_on": str(today + timedelta(days=2))})
    await run(service)
    assert await price(service, product) == 1000
    later = utcnow() + timedelta(days=2)
    monkeypatch.setattr(use_cases, "utcnow", lambda: later)
    await run(service)
    rows = (await staff.get(f"/products/{product['id']}/prices")).json()["items"]
    assert [(row["amount"], row["prior_amount"]) for row in rows] == [(800, 1000)], "it is a public price"


async def test_what_staff_scheduled_goes_first(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    path = f"/products/{product['id']}/prices"
    await make_rule(staff)
    await run(service)
    assert await price(service, product) == 1100
    sale = (await staff.post(path, json={"amount": 700, "currency": "GBP"})).json()
    await staff.post(path, json={"amount": 600, "currency": "GBP", "min_quantity": 10})
    await run(service)
    assert [row["amount"] for row in (await staff.get(path)).json()["items"]] == [700, 600], (
        "the rule's price has ended"
    )
    await staff.post(f"{path}/{sale['id']}/end")
    await run(service)
    assert await price(service, product) == 1100, "prices of more pieces don't matter"


async def test_a_scheduled_price_that_ends_by_itself_lets_the_rule_apply_again(
    service: Served, staff: Caller, make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    product, end = await make_product(), utcnow() + timedelta(hours=1)
    path = f"/products/{product['id']}/prices"
    await staff.post(path, json={"amount": 700, "currency": "GBP", "ends_at": end.isoformat()})
    await make_rule(staff)
    await run(service)
    assert len((await staff.get(path)).json()["items"]) == 1
    monkeypatch.setattr(use_cases, "utcnow", lambda: end)
    await run(service)
    assert [row["amount"] for row in (await staff.get(path)).json()["items"]] == [700, 1100]


async def test_a_price_changes_at_most_once_in_the_cooldown(
    service: Served, staff: Caller, make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await make_product()
    await make_rule(staff, when={"stock_below": 5}, cooldown_seconds=900)
    for version, available in enumerate((3, 9, 2, 8), 1):
        await stock(service, product, available, version)
        await run(service)
        assert await price(service, product) == 1100
    now = utcnow()
    for minutes, expected in ((14, 1), (16, 0)):
        later = now + timedelta(minutes=minutes)
        monkeypatch.setattr(use_cases, "utcnow", lambda later=later: later)
        await run(service)
        async with service.runtime.database.connection() as db:
            assert await db.fetchval("SELECT count(*) FROM prices WHERE ends_at IS NULL") == expected


async def test_edits_and_deletions_are_followed(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    rule = await make_rule(staff)
    path = f"/price-rules/{rule['id']}"
    await run(service)
    body = {"name": "r1", "currency": "GBP", "cooldown_seconds": 0, "effect": {"amount": -100}}
    assert (await staff.put(path, json=body, headers={"If-Match": '"2"'})).status_code == 412
    assert (await staff.put(path, json=body, headers={"If-Match": '"1"'})).json()["effect"]["amount"] == -100
    await run(service)
    assert await price(service, product) == 900
    await staff.patch(f"/products/{product['id']}", json={"price": {"amount": 500, "currency": "GBP"}})
    await run(service)
    assert await price(service, product) == 400
    new = await make_product()
    await run(service)
    assert await price(service, new) == 900
    lower = await make_rule(staff, 1, priority=-1)
    assert (await staff.put(path, json={**body, "scope": {"product_ids": [product["id"]]}})).status_code == 200
    await run(service)
    assert (await price(service, product), await price(service, new)) == (400, 1010)
    assert (await staff.delete(f"/price-rules/{lower['id']}")).status_code == 204
    async with service.runtime.database.transaction() as tx:
        await tx.execute(
            "UPDATE prices SET starts_at = starts_at - interval '1 hour', ends_at = ends_at - interval '1 hour'"
        )
    await run(service)
    assert await price(service, new) == 1000
    assert [each["id"] for each in (await staff.get("/price-rules")).json()["items"]] == [rule["id"]]


async def test_stock_staff_and_several_jobs_at_once_end_with_the_right_prices(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    products = [await make_product() for _ in range(8)]
    await make_rule(staff, when={"stock_below": 5})
    for version in range(1, 7):
        available = 3 if version % 2 == 0 else 9
        base = {"price": {"amount": 1000 * version, "currency": "GBP"}}
        answers = await asyncio.gather(
            *(staff.patch(f"/products/{each['id']}", json=base) for each in products),
            *(stock(service, each, available, version) for each in reversed(products)),
            *(run(service) for _ in range(3)),
        )
        assert {answer.status_code for answer in answers if answer is not None} == {200}
    await run(service)
    assert [await price(service, each) for each in products] == [6600] * 8
    async with service.runtime.database.connection() as db:
        most = "SELECT max(n) FROM (SELECT count(*) AS n FROM prices WHERE ends_at IS NULL GROUP BY product_id) AS live"
        assert await db.fetchval(most) == 1, "a product never has two prices by rules at once"


async def test_wrong_rules_are_rejected(service: Served, staff: Caller) -> None:
    body = {"name": "r1", "currency": "GBP", "effect": {"percent": 10}}
    for wrong, type in (
        ({"effect": {}}, "/problems/rule-without-effect"),
        ({"effect": {"percent": 0}}, "/problems/rule-without-effect"),
        ({"floor": 9, "ceiling": 8}, "/problems/floor-above-ceiling"),
        ({"window": {"time_zone": "Mars"}}, None),
        ({"when": {"demand_above": 1}}, None),
    ):
        answer = await staff.post("/price-rules", json={**body, **wrong})
        assert answer.status_code == 422
        assert type is None or answer.json()["type"] == type
    assert (await service.anonymous.get("/price-rules")).status_code == 401
    assert (await service.caller().post("/price-rules/preview", json={"rule": body})).status_code == 403


async def test_the_preview_agrees_with_the_job_on_a_thousand_products(
    service: Served, staff: Caller, make_category: MakeCategory
) -> None:
    random = Random(17)
    home = await make_category("Home")
    below = await make_category("Lights", home)
    await _many_products(service, random, [None, UUID(home["id"]), UUID(below["id"])])
    rules = [_random_rule(random, number, [[], [home["id"]], [below["id"]]]) for number in range(5)]
    for rule in rules[1:]:
        await make_rule(staff, **rule)
    expected: dict[str, tuple[int, list[int]]] = {}
    after, pages = None, 0
    while after is not None or not pages:
        body = {"rule": rules[0], "after": after, "limit": 300}
        found = (await staff.post("/price-rules/preview", json=body)).json()
        wanted = [each for each in found["items"] if each["wanted"]]
        expected |= {
            each["product_id"]: (each["wanted"]["amount"], [s["amount"] for s in each["why"]]) for each in wanted
        }
        after, pages = found["next"], pages + 1
    assert pages == 4
    async with service.runtime.database.connection() as db:
        assert await db.fetchval("SELECT count(*) FROM prices WHERE rule_id IS NOT NULL") == 0
    await make_rule(staff, **rules[0])
    await asyncio.gather(run(service), run(service))
    await run(service)
    async with service.runtime.database.connection() as db:
        rows = await db.fetch("SELECT product_id, amount, why FROM prices WHERE rule_id IS NOT NULL")
        assert await db.fetchval("SELECT count(*) FROM price_rule_queue WHERE due_at <= now()") == 0
    assert {str(id): (amount, [step["amount"] for step in why]) for id, amount, why in rows} == expected
    assert 200 < len(expected) < 1000


def _random_rule(random: Random, number: int, category_ids: list[list[str]]) -> Json:
    return {
        "name": f"r{number}", "currency": random.choice(["GBP", "EUR"]), "priority": random.randrange(3),
        "scope": {"category_ids": random.choice(category_ids)},
        "when": random.choice([{}, {"stock_below": 9}, {"demand_above": 1, "demand_days": 3}]),
        "effect": {"percent": random.choice([-30, 5, 12.5])}, "floor": random.choice([None, 500]),
        "ceiling": random.choice([None, 1500]), "ending": random.choice([None, 99, 0]), "cooldown_seconds": 0,
    }  # fmt: skip


async def _many_products(service: Served, random: Random, categories: list[UUID | None]) -> None:
    """1,000 products with stock, demand and prices of staff."""
    insert = """
    INSERT INTO products (id, sku, slug, name, attributes, price_amount, price_currency, category_id, status, version,
                          created_at, updated_at)
    VALUES ($1, $2, $2, 'P', '{}', $3, $4, $5, $6, 1, now(), now())
    """
    async with service.runtime.database.transaction() as tx:
        for _ in range(1000):
            id, currency = uuid7(), random.choice(["GBP", "GBP", "EUR"])
            status = random.choice(["active", "active", "active", "draft"])
            await tx.execute(
                insert, id, str(id), random.randrange(1, 2000), currency, random.choice(categories), status
            )
            if random.random() < 0.8:
                await tx.execute("INSERT INTO availability VALUES ($1, 9, 0, $2, 1, now())", id, random.randrange(12))
            if random.random() < 0.5:
                await tx.execute("INSERT INTO product_demand VALUES ($1, CURRENT_DATE, $2)", id, random.randrange(9))
            if random.random() < 0.2:
                await tx.execute(
                    "INSERT INTO prices (id, product_id, amount, currency, min_quantity, starts_at, created_at)"
                    " VALUES ($1, $2, 5, $3, $4, now(), now())",
                    *(uuid7(), id, random.choice(["GBP", "EUR"]), random.choice([1, 2])),
                )
