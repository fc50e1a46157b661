"""Shipping zones and methods: their rules, who may change them, and what is offered to an address."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_service.pricing import shipping as pricing
from order_service.pricing.places import Destination
from order_service.rules import queries as rules
from order_service.shipping.models import MAX_METHODS, ShippingZone
from order_service.tests.conftest import Shop

RATES = [{"currency": "GBP", "by": "weight", "from": 0, "amount": 399}]
PARTS = [
    st.lists(st.sampled_from(values), unique=True, max_size=2) for values in (["GB", "DE"], ["a", "b"], ["1", "12"])
]
ZONES = st.tuples(*PARTS).map(
    lambda parts: ShippingZone(name="Z", countries=parts[0], regions=parts[1], postal_prefixes=parts[2])
)


async def zone(shop: Shop, name: str = "UK", countries: tuple[str, ...] = ("GB",), **more: Any) -> httpx.Response:
    return await shop.staff.post("/shipping-zones", json={"name": name, "countries": list(countries), **more})


async def method(shop: Shop, zone_id: str, **more: Any) -> httpx.Response:
    body = {
        "code": "standard", "name": "Standard", "zone_id": zone_id, "kind": "delivery", "rates": RATES,
        "min_days": 2, "max_days": 4, **more,
    }  # fmt: skip
    return await shop.staff.post("/shipping-methods", json=body)


async def made(answer: httpx.Response) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json()


@given(one=ZONES, other=ZONES)
def test_zones_overlap_if_an_address_matches_both_equally_exactly(one: ShippingZone, other: ShippingZone) -> None:
    """Compared with every address that can tell such zones apart."""
    priced = [
        pricing.ShippingZone(
            each.id, each.name, frozenset(each.countries), frozenset(each.regions), tuple(each.postal_prefixes), ()
        )
        for each in (one, other)
    ]
    addresses = [
        Destination(country, region, code)
        for country in ("GB", "DE", "FR")
        for region in (None, "a", "b")
        for code in (None, "1", "12")
    ]
    alike = any((match := priced[0].match(each)) is not None and match == priced[1].match(each) for each in addresses)
    assert one.overlaps(other) == alike


async def test_an_address_is_offered_the_methods_of_its_zone(shop: Shop) -> None:
    everywhere = await made(await zone(shop, "World", ()))
    belfast = await made(await zone(shop, "Belfast", postal_prefixes=["bt 1"]))
    assert belfast["postal_prefixes"] == ["BT1"]
    await made(await method(shop, everywhere["id"], code="post", free_from={"GBP": 5000}, position=2))
    await made(await method(shop, everywhere["id"], code="express", cutoff="15:00", position=1))
    gone = await made(await method(shop, everywhere["id"], code="gone"))
    await shop.staff.patch(f"/shipping-methods/{gone['id']}", json={"status": "disabled"})
    await made(await method(shop, belfast["id"], code="boat"))
    await shop.staff.patch(f"/shipping-zones/{belfast['id']}", json={"countries": ["GB"]})

    async def codes(**address: str) -> list[str]:
        answer = await shop.served.anonymous.get("/shipping-methods", params=address)
        assert answer.status_code == 200, answer.text
        return [each["code"] for each in answer.json()["items"]]

    assert await codes(country="FR") == ["express", "post"]
    assert await codes(country="GB", postal_code="BT1 5GS") == ["boat"]
    [_, post] = (await shop.served.anonymous.get("/shipping-methods", params={"country": "FR"})).json()["items"]
    assert (post["rates"], post["free_from"]) == (RATES, {"GBP": 5000})
    assert post["from"] <= post["to"]
    assert (await shop.served.anonymous.get("/shipping-methods", params={"country": "UK"})).status_code == 422


async def test_no_two_zones_describe_an_address_equally_exactly(shop: Shop) -> None:
    first = await made(await zone(shop, "UK", ("GB", "IE")))
    clash = await zone(shop, "Ireland", ("IE",))
    assert (clash.status_code, clash.json()["type"]) == (409, "/problems/zones-overlap")
    assert clash.json()["zone_id"] == first["id"]
    answers = await asyncio.gather(*(zone(shop, f"World {n}", ()) for n in range(8)))
    assert sorted(each.status_code for each in answers) == [201] + [409] * 7
    other = await made(await zone(shop, "France", ("FR",)))
    moved = await shop.staff.patch(f"/shipping-zones/{other['id']}", json={"countries": ["FR", "GB"]})
    assert moved.json()["type"] == "/problems/zones-overlap"
    assert (await zone(shop, "UK", ("US",))).json()["type"] == "/problems/shipping-zone-name-taken"


async def test_zones_and_methods_are_changed_with_if_match(shop: Shop) -> None:
    found = await made(await zone(shop))
    path = f"/shipping-zones/{found['id']}"
    changed = await shop.staff.patch(path, json={"name": "Britain"}, headers={"If-Match": '"1"'})
    assert (changed.json()["name"], changed.headers["ETag"]) == ("Britain", '"2"')
    assert (await shop.staff.patch(path, json={"name": "UK"}, headers={"If-Match": '"1"'})).status_code == 412
    post = await made(await method(shop, found["id"]))
    method_path = f"/shipping-methods/{post['id']}"
    changed = await shop.staff.patch(method_path, json={"cutoff": "14:30"}, headers={"If-Match": '"1"'})
    assert (changed.json()["cutoff"], changed.headers["ETag"]) == ("14:30", '"2"')
    assert (await shop.staff.get(method_path)).json() == changed.json()
    assert (await shop.staff.patch(method_path, json={"name": "x"}, headers={"If-Match": '"1"'})).status_code == 412
    assert (await shop.staff.delete(path)).json()["type"] == "/problems/shipping-zone-in-use"
    other = await made(await zone(shop, "France", ("FR",)))
    assert (await shop.staff.patch(method_path, json={"zone_id": other["id"]})).json()["zone_id"] == other["id"]
    assert (await shop.staff.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await shop.staff.delete(path)).status_code == 204
    assert (await shop.staff.get(path)).status_code == 404
    listed = (await shop.staff.get(f"/shipping-zones/{other['id']}/methods")).json()["items"]
    assert [each["code"] for each in listed] == ["standard"]
    assert [each["name"] for each in (await shop.staff.get("/shipping-zones")).json()["items"]] == ["France"]


async def test_methods_need_a_zone_and_a_code_of_their_own(shop: Shop) -> None:
    found = await made(await zone(shop))
    await made(await method(shop, found["id"]))
    assert (await method(shop, found["id"])).json()["type"] == "/problems/shipping-method-code-taken"
    assert (await method(shop, str(uuid4()))).json()["type"] == "/problems/shipping-zone-unknown"
    answers = await asyncio.gather(*(method(shop, found["id"], code=f"m-{n}") for n in range(MAX_METHODS + 4)))
    assert sorted(each.status_code for each in answers) == [201] * (MAX_METHODS - 1) + [409] * 5


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"kind": "pickup"}, "warehouse_id"),
        ({"warehouse_id": str(uuid4())}, "warehouse_id"),
        ({"min_days": 5}, "min_days"),
        ({"rates": []}, "at least 1"),
        ({"rates": RATES * 2}, "must not begin at the same value"),
        ({"rates": [*RATES, {"currency": "GBP", "by": "total", "from": 9, "amount": 1}]}, "must depend on the same"),
        ({"rates": [{"currency": "KWD", "by": "total", "from": 0, "amount": 1005}]}, "multiples of 10"),
        ({"free_from": {"KWD": 5}}, "multiples of 10"),
        ({"free_from": {"GBX": 5}}, "ISO 4217"),
        ({"cutoff": "25:00"}, "pattern"),
    ],
)
async def test_a_method_that_could_not_be_charged_or_sent_is_rejected(shop: Shop, body: Any, word: str) -> None:
    answer = await method(shop, (await made(await zone(shop)))["id"], **body)
    assert answer.status_code == 422
    assert word in answer.text


async def test_regions_and_postal_prefixes_need_a_country(shop: Shop) -> None:
    answer = await zone(shop, "Nowhere", (), regions=["Bavaria"])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "countries")
    found = await made(await zone(shop, "Bavaria", ("DE",), regions=[" BAYERN"]))
    assert found["regions"] == ["bayern"]
    emptied = await shop.staff.patch(f"/shipping-zones/{found['id']}", json={"countries": []})
    assert emptied.status_code == 422


async def test_every_change_raises_the_version_of_the_rules(shop: Shop) -> None:
    async with shop.runtime.database.connection() as connection:
        before = await rules.load(connection, None)
        found = await made(await zone(shop))
        warehouse_id = str(uuid4())
        await made(await method(shop, found["id"], kind="pickup", warehouse_id=warehouse_id, default_weight=200))
        after = await rules.load(connection, None)
    assert after.version == before.version + 2
    [[found_method]] = [each.methods for each in after.shipping_zones]
    assert (str(found_method.warehouse_id), found_method.default_weight) == (warehouse_id, 200)


async def test_customers_may_not_change_them(shop: Shop) -> None:
    body = {"name": "UK", "countries": ["GB"]}
    assert (await shop.customer.post("/shipping-zones", json=body)).status_code == 403
    assert (await shop.customer.get("/shipping-zones")).status_code == 403


async def test_a_method_is_taxed_at_any_class_that_products_have(shop: Shop) -> None:
    zone_id = (await made(await zone(shop)))["id"]
    for tax in ("follows_goods", "standard", "super-reduced"):
        assert (await made(await method(shop, zone_id, code=tax.replace("_", "-"), tax=tax)))["tax"] == tax
    assert (await method(shop, zone_id, code="odd", tax="Super reduced")).status_code == 422
