"""Prices of customer groups."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from contracts.events.products import ProductChanged
from product_service.price_lists import jobs
from product_service.tests.conftest import Json, MakeProduct
from service_kit.clock import utcnow
from tests.harness.recovery import recover, restored_database
from tests.harness.service import Caller, Served

TRADE, CLUB = str(uuid4()), str(uuid4())


async def schedule(staff: Caller, product: Json, amount: int, group: str = TRADE, **fields: Any) -> Json:
    body = {"amount": amount, "currency": "GBP", "customer_group": group, **fields}
    answer = await staff.post(f"/products/{product['id']}/group-prices", json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def test_the_price_of_a_group_is_published_apart_and_shown_to_staff_only(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    path = f"/products/{product['id']}"
    price = await schedule(staff, product, 1)
    await schedule(staff, product, 2, CLUB, min_quantity=10)
    event = (await service.events(ProductChanged))[-1]
    assert [each.amount for each in event.prices] == [1000]
    assert {(each.amount, str(each.customer_group)) for each in event.group_prices} == {(1, TRADE), (2, CLUB)}
    for who in (service.anonymous, service.caller().client, staff.client):
        shown = (await who.get(path, params={"quantity": 12})).json()
        assert (shown["unit_price"]["amount"], shown["reduction"]) == (1000, None)
        assert (await who.get(f"{path}/prices")).json()["items"] == []
    listed = (await staff.get(f"{path}/group-prices", params={"customer_group": TRADE})).json()["items"]
    assert [each["id"] for each in listed] == [price["id"]]
    assert len((await staff.get(f"{path}/group-prices")).json()["items"]) == 2
    assert (await service.anonymous.get(f"{path}/group-prices")).status_code == 401
    assert (await service.caller().get(f"{path}/group-prices")).status_code == 403
    assert (await staff.post(f"{path}/group-prices/{price['id']}/end")).status_code == 200
    event = (await service.events(ProductChanged))[-1]
    assert [each.amount for each in event.group_prices] == [2]


async def test_the_price_of_a_group_is_no_prior_price(staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    await schedule(staff, product, 1)
    public = await staff.post(f"/products/{product['id']}/prices", json={"amount": 800, "currency": "GBP"})
    assert public.json()["prior_amount"] == 1000


async def test_prices_of_two_groups_may_start_together(staff: Caller, make_product: MakeProduct) -> None:
    product, start = await make_product(), (utcnow() + timedelta(hours=1)).isoformat()
    await schedule(staff, product, 1, starts_at=start)
    await schedule(staff, product, 1, CLUB, starts_at=start)
    body = {"amount": 2, "currency": "GBP", "customer_group": CLUB, "starts_at": start}
    again = await staff.post(f"/products/{product['id']}/group-prices", json=body)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/price-exists")


async def test_a_list_for_a_group_changes_no_public_price(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    body = {"name": "Trade", "currency": "GBP", "customer_group": TRADE}
    path = f"/price-lists/{(await staff.post('/price-lists', json=body)).json()['id']}"
    await staff.put(f"{path}/prices", json={"prices": [{"product_id": product["id"], "amount": 700}]})
    for verb, expected in (("activate", [700]), ("end", [])):
        await staff.post(f"{path}/{verb}")
        while await jobs.apply_price_lists(service.runtime):
            pass
        event = (await service.events(ProductChanged))[-1]
        assert [each.amount for each in event.prices] == [1000]
        assert [each.amount for each in event.group_prices] == expected
    assert (await staff.get(path)).json()["state"] == "ended"


async def test_prices_of_groups_are_recovered(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    await schedule(staff, product, 700)
    async with restored_database("product_service") as restored:
        await recover(service.runtime, restored)
        async with restored.connection() as ours:
            found = await ours.fetch("SELECT amount, customer_group::text FROM group_prices")
    assert list(map(tuple, found)) == [(700, TRADE)]
