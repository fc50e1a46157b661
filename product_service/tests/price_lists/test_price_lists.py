"""Price lists are activated and ended as a whole."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts.events.products import ProductChanged
from product_service.price_lists import jobs, queries, use_cases
from product_service.tests.conftest import Json, MakeProduct
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from tests.harness.service import Caller, Served

APPLY = """
import asyncio, sys
from pathlib import Path
import product_service.models
from product_service.price_lists import use_cases
from product_service.products.prior_prices import PriorPriceRule
from service_kit import failpoints
from service_kit.database import Database

async def main():
    failpoints.arm(Path(sys.argv[2]), "product")
    database = Database(sys.argv[1])
    more = True
    while more:
        async with database.session() as tx:
            more = await use_cases.apply_next(tx, PriorPriceRule(), 2)

asyncio.run(main())
"""


async def make_list(staff: Caller, prices: dict[str, int], **fields: Any) -> Json:
    """A draft with these prices by product."""
    made = (await staff.post("/price-lists", json={"name": "Sale", "currency": "GBP", **fields})).json()
    body = {"prices": [{"product_id": id, "amount": amount} for id, amount in prices.items()]}
    answer = await staff.put(f"/price-lists/{made['id']}/prices", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def run(service: Served) -> None:
    while await jobs.apply_price_lists(service.runtime):
        pass


async def amounts(service: Served, products: list[Json]) -> list[int]:
    found = [(await service.anonymous.get(f"/products/{each['id']}")).json() for each in products]
    return [each["unit_price"]["amount"] for each in found]


async def state(staff: Caller, price_list: Json) -> tuple[str, int, int, int]:
    found = (await staff.get(f"/price-lists/{price_list['id']}")).json()
    return found["state"], found["done"], found["products"], found["skipped"]


async def test_a_list_is_activated_and_ended(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    products, other = [await make_product() for _ in range(3)], await make_product()
    sale = await make_list(staff, {each["id"]: 800 + number for number, each in enumerate(products)})
    path = f"/price-lists/{sale['id']}"
    await run(service)
    assert await amounts(service, products) == [1000] * 3, "a draft changes no price"
    for _ in range(2):
        assert (await staff.post(f"{path}/activate")).json()["state"] == "activating"
    await run(service)
    assert await state(staff, sale) == ("active", 3, 3, 0)
    assert (await staff.post(f"{path}/activate")).json()["state"] == "active"
    await run(service)
    assert await amounts(service, [*products, other]) == [800, 801, 802, 1000]
    [price] = (await staff.get(f"/products/{products[0]['id']}/prices")).json()["items"]
    assert (price["list_id"], price["prior_amount"]) == (sale["id"], 1000)
    for _ in range(2):
        assert (await staff.post(f"{path}/end")).status_code == 200
        await run(service)
    assert await state(staff, sale) == ("ended", 3, 3, 0)
    assert await amounts(service, products) == [1000] * 3
    versions = Counter(event.product_id for event in await service.events(ProductChanged))
    assert versions == {UUID(each["id"]): 3 for each in products} | {UUID(other["id"]): 1}
    again = await staff.post(f"{path}/activate")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/price-list-ended")


async def test_the_products_of_a_batch_and_its_progress_are_one_transaction(
    service: Served, staff: Caller, make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    products = sorted([await make_product() for _ in range(5)], key=lambda each: each["id"])
    sale = await make_list(staff, dict.fromkeys((each["id"] for each in products), 900))
    await staff.post(f"/price-lists/{sale['id']}/activate")
    assert await jobs.apply_price_lists(service.runtime)
    assert await state(staff, sale) == ("activating", 2, 5, 0)
    assert await amounts(service, products) == [900, 900, 1000, 1000, 1000]
    await run(service)
    assert await state(staff, sale) == ("active", 5, 5, 0)
    assert await amounts(service, products) == [900] * 5


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_process_that_is_killed_is_continued_by_another(
    service: Served, staff: Caller, make_product: MakeProduct, tmp_path: Path, moment: str
) -> None:
    products = [await make_product() for _ in range(5)]
    sale = await make_list(staff, dict.fromkeys((each["id"] for each in products), 900))
    for verb in ("activate", "end"):
        await staff.post(f"/price-lists/{sale['id']}/{verb}")
        (tmp_path / f"product.commit.{moment}").touch()
        codes: list[int] = []
        while not codes or codes[-1]:
            command = [sys.executable, "-c", APPLY, service.database_url, str(tmp_path)]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, env=dict(os.environ))
            codes.append(done.returncode)
            assert done.returncode in (0, -9), done.stderr.decode()
        assert codes == [-9, 0]
    assert await state(staff, sale) == ("ended", 5, 5, 0)
    events = Counter(event.product_id for event in await service.events(ProductChanged))
    assert set(events.values()) == {3}, "each product was published once for each step"
    for product in products:
        rows = (await staff.get(f"/products/{product['id']}/prices", params={"ended": True})).json()["items"]
        assert len(rows) == 1


async def test_a_list_that_ends_while_it_is_activated_leaves_no_price(
    service: Served, staff: Caller, make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    products = [await make_product() for _ in range(5)]
    sale = await make_list(staff, dict.fromkeys((each["id"] for each in products), 900))
    await staff.post(f"/price-lists/{sale['id']}/activate")
    await jobs.apply_price_lists(service.runtime)
    advance = queries.ADVANCE.execute

    async def end_first(*arguments: Any, **values: Any) -> int:
        """The end is committed while a batch is being written."""
        monkeypatch.setattr(type(queries.ADVANCE), "execute", execute)
        assert (await staff.post(f"/price-lists/{sale['id']}/end")).status_code == 200
        return await advance(*arguments, **values)

    execute = type(queries.ADVANCE).execute

    async def intercepted(self: Any, *arguments: Any, **values: Any) -> int:
        if self is queries.ADVANCE:
            return await end_first(*arguments, **values)
        return await execute(self, *arguments, **values)

    monkeypatch.setattr(type(queries.ADVANCE), "execute", intercepted)
    assert await jobs.apply_price_lists(service.runtime), "the batch is rolled back, and the end follows"
    await run(service)
    assert await state(staff, sale) == ("ended", 2, 2, 0)
    assert await amounts(service, products) == [1000] * 5
    rows = [(await staff.get(f"/products/{each['id']}/prices?ended=true")).json()["items"] for each in products]
    assert sum(map(len, rows)) == 2


async def test_several_processes_write_each_price_once(
    service: Served, staff: Caller, make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    products = [await make_product() for _ in range(9)]
    sales = [await make_list(staff, dict.fromkeys((each["id"] for each in products), 900 - n)) for n in range(2)]
    for sale in sales:
        await asyncio.gather(*(staff.post(f"/price-lists/{sale['id']}/activate") for _ in range(4)))
    await asyncio.gather(*(run(service) for _ in range(4)))
    await run(service)
    for product in products:
        rows = (await staff.get(f"/products/{product['id']}/prices")).json()["items"]
        assert sorted(row["list_id"] for row in rows) == sorted(sale["id"] for sale in sales)


async def test_of_two_lists_that_start_together_the_one_activated_last_applies(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product, start = await make_product(), utcnow() + timedelta(hours=1)
    for amount in (700, 800):
        sale = await make_list(staff, {product["id"]: amount}, starts_at=start.isoformat())
        await staff.post(f"/price-lists/{sale['id']}/activate")
        await run(service)
    rows = (await staff.get(f"/products/{product['id']}/prices")).json()["items"]
    assert [row["amount"] for row in rows] == [700, 800]
    assert rows[0]["starts_at"] < rows[1]["starts_at"]


async def test_a_list_whose_time_is_over_has_ended(
    service: Served, staff: Caller, make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await make_product()
    sale = await make_list(staff, {product["id"]: 1}, ends_at=(utcnow() + timedelta(hours=1)).isoformat())
    await staff.post(f"/price-lists/{sale['id']}/activate")
    await run(service)
    later = utcnow() + timedelta(hours=2)
    monkeypatch.setattr(use_cases, "utcnow", lambda: later)
    await run(service)
    assert (await state(staff, sale))[0] == "ended"


async def test_a_list_that_was_activated_cannot_be_changed(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    sale = await make_list(staff, {product["id"]: 900})
    path = f"/price-lists/{sale['id']}"
    await staff.post(f"{path}/activate")
    prices = {"prices": [{"product_id": product["id"], "amount": 1}]}
    for answer in (
        await staff.patch(path, json={"currency": "EUR"}),
        await staff.put(f"{path}/prices", json=prices),
        await staff.delete(path),
    ):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/price-list-active")
    renamed = await staff.patch(path, json={"name": "Winter"}, headers={"If-Match": '"3"'})
    assert renamed.json()["name"] == "Winter"
    assert (await staff.patch(path, json={"name": "Summer"}, headers={"If-Match": '"3"'})).status_code == 412


async def test_drafts_are_changed_and_deleted(staff: Caller, make_product: MakeProduct) -> None:
    products = [await make_product() for _ in range(3)]
    sale = await make_list(staff, {each["id"]: 900 for each in products})
    path = f"/price-lists/{sale['id']}"
    changes = [{"product_id": products[0]["id"], "amount": None}, {"product_id": products[1]["id"], "amount": 5}]
    assert (await staff.put(f"{path}/prices", json={"prices": changes})).status_code == 200
    first = (await staff.get(f"{path}/prices", params={"limit": 1})).json()
    rest = (await staff.get(f"{path}/prices", params={"limit": 1, "cursor": first["next"]})).json()
    found = {each["product_id"]: each["amount"] for each in first["items"] + rest["items"]}
    assert found == {products[1]["id"]: 5, products[2]["id"]: 900}
    unknown = str(uuid7())
    wrong = await staff.put(f"{path}/prices", json={"prices": [{"product_id": unknown, "amount": 1}]})
    assert (wrong.status_code, wrong.json()["product_ids"]) == (409, [unknown])
    assert (await staff.post(f"{path}/end")).json()["type"] == "/problems/price-list-not-active"
    assert (await staff.delete(path)).status_code == 204
    assert (await staff.get(path)).status_code == 404
    empty = (await staff.post("/price-lists", json={"name": "Empty", "currency": "GBP"})).json()
    refused = await staff.post(f"/price-lists/{empty['id']}/activate")
    assert refused.json()["type"] == "/problems/price-list-empty"
    assert [each["id"] for each in (await staff.get("/price-lists?state=draft")).json()["items"]] == [empty["id"]]


async def test_customers_see_no_price_lists(service: Served) -> None:
    assert (await service.anonymous.get("/price-lists")).status_code == 401
    assert (await service.caller().get("/price-lists")).status_code == 403
