"""Tax zones over HTTP."""

import asyncio

import pytest

from order_service.tests.conftest import Shop
from order_service.tests.taxes.conftest import Json, MakeRate, MakeZone


async def test_zones_are_created_shown_changed_and_deleted(shop: Shop, make_zone: MakeZone) -> None:
    zone = await make_zone("GB", "IM", name=" United Kingdom ")
    expected = {"countries": ["GB", "IM"], "regions": [], "rounding": "line", "mode": "half_up"}
    assert zone | expected == zone
    assert (zone["name"], zone["prices_include_tax"], zone["version"]) == ("United Kingdom", True, 1)
    path = f"/tax/zones/{zone['id']}"
    read = await shop.staff.get(path)
    assert (read.json(), read.headers["etag"]) == (zone, '"1"')

    changes = {"mode": "down", "rounding": "rate", "prices_include_tax": False, "countries": ["GB"]}
    changed = await shop.staff.patch(path, json=changes, headers={"If-Match": '"1"'})
    assert changed.json() == zone | changes | {"version": 2}
    assert (await shop.staff.patch(path, json={"mode": "half_up"}, headers={"If-Match": '"1"'})).status_code == 412
    assert (await shop.staff.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await shop.staff.delete(path, headers={"If-Match": '"2"'})).status_code == 204
    assert (await shop.staff.get(path)).status_code == 404


async def test_zones_are_listed_by_name_in_pages(shop: Shop, make_zone: MakeZone) -> None:
    for country in ("FR", "DE", "GB"):
        await make_zone(country)
    first = (await shop.staff.get("/tax/zones", params={"limit": 2})).json()
    second = (await shop.staff.get("/tax/zones", params={"limit": 2, "cursor": first["next"]})).json()
    assert [[each["name"] for each in page["items"]] for page in (first, second)] == [["DE", "FR"], ["GB"]]


async def test_a_country_lies_in_one_zone(shop: Shop, make_zone: MakeZone) -> None:
    taken = await make_zone("DE", "FR")
    other = await make_zone("GB")
    created = await shop.staff.post("/tax/zones", json={"name": "Other", "countries": ["IT", "FR"]})
    changed = await shop.staff.patch(f"/tax/zones/{other['id']}", json={"countries": ["GB", "FR"]})
    for answer in (created, changed):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/zones-overlap")
        assert answer.json()["zone_id"] == taken["id"]
        assert "FR" in answer.json()["detail"]
    same_name = await shop.staff.post("/tax/zones", json={"name": "GB", "countries": ["IT"]})
    assert same_name.json()["type"] == "/problems/tax-zone-name-taken"


async def test_a_region_lies_in_one_zone_beside_that_of_its_country(shop: Shop, make_zone: MakeZone) -> None:
    await make_zone("US")
    zone = await make_zone("US", name="West", regions=[" California", "OREGON"])
    assert zone["regions"] == ["california", "oregon"]
    await make_zone("US", name="North", regions=["Montana"])
    await make_zone("MX", name="Elsewhere", regions=["Oregon"])
    answer = await shop.staff.post("/tax/zones", json={"name": "B", "countries": ["US"], "regions": ["oregon"]})
    assert answer.json()["type"] == "/problems/zones-overlap"
    several = await shop.staff.post("/tax/zones", json={"name": "B", "countries": ["US", "CA"], "regions": ["Maine"]})
    assert (several.status_code, several.json()["errors"][0]["field"]) == (422, "regions")


@pytest.mark.parametrize(
    "wrong",
    [
        {"countries": []}, {"countries": ["UK"]}, {"countries": None}, {"name": " "}, {"rounding": "unit"},
        {"mode": "up"}, {"prices_include_tax": 1}, {"regions": [""]}, {"rates": []},
    ],
)  # fmt: skip
async def test_invalid_zones_are_rejected(shop: Shop, make_zone: MakeZone, wrong: Json) -> None:
    zone = await make_zone("GB")
    assert (await shop.staff.patch(f"/tax/zones/{zone['id']}", json=wrong)).status_code == 422
    assert (await shop.staff.post("/tax/zones", json={"name": "A", "countries": ["FR"], **wrong})).status_code == 422


async def test_of_concurrent_zones_with_one_country_one_is_created(shop: Shop) -> None:
    bodies = [{"name": f"Zone {number}", "countries": ["GB"]} for number in range(8)]
    answers = await asyncio.gather(*(shop.staff.post("/tax/zones", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_a_zone_with_rates_is_not_deleted(shop: Shop, make_zone: MakeZone, make_rate: MakeRate) -> None:
    zone = await make_zone("GB")
    await make_rate(zone)
    answer = await shop.staff.delete(f"/tax/zones/{zone['id']}")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/tax-zone-in-use")


async def test_customers_neither_see_nor_change_taxes(shop: Shop) -> None:
    for path in ("/tax/zones", "/tax/rates"):
        assert (await shop.customer.get(path)).status_code == 403
        assert (await shop.customer.post(path, json={})).status_code == 403
        assert (await shop.served.anonymous.get(path)).status_code == 401


async def test_changes_are_in_the_audit_log(shop: Shop, make_zone: MakeZone, make_rate: MakeRate) -> None:
    zone = await make_zone("GB")
    rate = await make_rate(zone)
    admin = shop.served.caller(role="Admin")
    for resource, made in (("tax-zone", zone), ("tax-rate", rate)):
        [entry] = (await admin.get("/audit-log", params={"resource": resource})).json()["items"]
        assert (entry["resource_id"], entry["changes"]["name"]) == (made["id"], [None, made["name"]])
