"""Tax rates over HTTP: they never overlap in time, and what has applied is never changed."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_service.pricing.rates import parts_per_million, rate_text
from order_service.tests.conftest import Shop, secrets
from order_service.tests.taxes.conftest import Json, MakeRate, MakeZone
from service_kit.clock import utcnow
from tests.harness.service import serve

YEAR = timedelta(days=365)


def text(time: datetime) -> str:
    return time.isoformat()


@given(st.integers(0, 1_000_000))
def test_every_rate_survives_a_round_trip(rate: int) -> None:
    assert parts_per_million(rate_text(rate)) == rate


@pytest.mark.parametrize(
    ("sent", "shown"), [("0.2", "0.20"), ("0", "0.00"), ("1", "1.00"), ("0.055", "0.055"), ("0.2000000", "0.20"),
                        ("0.000001", "0.000001")],
)  # fmt: skip
async def test_rates_are_decimals_as_text(make_zone: MakeZone, make_rate: MakeRate, sent: str, shown: str) -> None:
    assert (await make_rate(await make_zone("GB"), sent))["rate"] == shown


@pytest.mark.parametrize("wrong", [0.2, 1, "20%", "-0.1", "1.01", "0.0000001", "1e-1", "", ".2", " 0.2", "٠.٢", None])
async def test_a_rate_that_is_not_exact_is_rejected(shop: Shop, make_zone: MakeZone, wrong: Any) -> None:
    zone = await make_zone("GB")
    body = {"zone_id": zone["id"], "tax_class": "standard", "name": "VAT", "rate": wrong}
    answer = await shop.staff.post("/tax/rates", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "rate")


async def test_rates_of_a_class_do_not_overlap(shop: Shop, make_zone: MakeZone, make_rate: MakeRate) -> None:
    zone, now = await make_zone("GB"), utcnow()
    first = await make_rate(zone, "0.175", ends_at=text(now + YEAR))
    await make_rate(zone, "0.20", starts_at=text(now + YEAR))
    await make_rate(zone, "0.05", tax_class="reduced")
    await make_rate(await make_zone("FR"), "0.20")
    for period in ({}, {"starts_at": text(now + YEAR - timedelta(1))}, {"ends_at": text(now)}):
        body = {"zone_id": zone["id"], "tax_class": "standard", "rate": "0.1", "name": "Other", **period}
        answer = await shop.staff.post("/tax/rates", json=body)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/rate-overlaps")
    later = await shop.staff.patch(f"/tax/rates/{first['id']}", json={"ends_at": text(now + 2 * YEAR)})
    assert later.json()["type"] == "/problems/rate-overlaps"
    assert (await shop.staff.patch(f"/tax/rates/{first['id']}", json={"ends_at": None})).status_code == 409
    unchanged = (await shop.staff.get(f"/tax/rates/{first['id']}")).json()
    assert unchanged == first


async def test_of_concurrent_rates_of_a_class_one_is_created(shop: Shop, make_zone: MakeZone) -> None:
    zone = await make_zone("GB")
    bodies = [
        {"zone_id": zone["id"], "tax_class": "standard", "rate": f"0.0{number}", "name": "VAT"} for number in range(8)
    ]
    answers = await asyncio.gather(*(shop.staff.post("/tax/rates", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_a_rate_that_has_started_can_only_be_ended(shop: Shop, make_zone: MakeZone, make_rate: MakeRate) -> None:
    zone, now = await make_zone("GB"), utcnow()
    rate = await make_rate(zone, starts_at=text(now - YEAR))
    path = f"/tax/rates/{rate['id']}"
    for change in ({"rate": "0.21"}, {"name": "Other"}, {"starts_at": None}, {"rate": "0.21", "ends_at": text(now)}):
        answer = await shop.staff.patch(path, json=change)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/rate-started"), change
    assert (await shop.staff.delete(path)).json()["type"] == "/problems/rate-started"

    planned = await shop.staff.patch(path, json={"ends_at": text(now + YEAR)}, headers={"If-Match": '"1"'})
    assert (planned.status_code, planned.json()["version"]) == (200, 2)
    ended = await shop.staff.patch(path, json={"ends_at": text(now - 2 * YEAR)})
    assert ended.status_code == 200
    ends_at = datetime.fromisoformat(ended.json()["ends_at"])
    assert now <= ends_at <= utcnow(), "an end in the past is replaced by the present"
    again = await shop.staff.patch(path, json={"ends_at": None})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/rate-ended")
    await make_rate(zone, "0.21", starts_at=ended.json()["ends_at"])


async def test_a_rate_that_has_not_started_is_changed_and_deleted(
    shop: Shop, make_zone: MakeZone, make_rate: MakeRate
) -> None:
    rate = await make_rate(await make_zone("GB"), starts_at=text(utcnow() + YEAR))
    path = f"/tax/rates/{rate['id']}"
    changes = {"rate": "0.21", "tax_class": "luxury", "name": "Other"}
    changed = await shop.staff.patch(path, json=changes, headers={"If-Match": '"1"'})
    assert changed.json() == rate | changes | {"version": 2}
    early = await shop.staff.patch(path, json={"ends_at": text(utcnow())})
    assert (early.status_code, early.json()["type"]) == (409, "/problems/rate-ends-too-early")
    assert (await shop.staff.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await shop.staff.delete(path, headers={"If-Match": '"2"'})).status_code == 204
    assert (await shop.staff.get(path)).status_code == 404


async def test_rates_are_listed_by_zone_class_and_time(shop: Shop, make_zone: MakeZone, make_rate: MakeRate) -> None:
    zone, now = await make_zone("GB"), utcnow()
    old = await make_rate(zone, "0.175", ends_at=text(now - YEAR))
    standard = await make_rate(zone, "0.20", starts_at=text(now - YEAR))
    reduced = await make_rate(zone, "0.05", tax_class="reduced")
    other = await make_rate(await make_zone("FR"))

    async def listed(**params: Any) -> list[Json]:
        items: list[Json] = (await shop.staff.get("/tax/rates", params=params)).json()["items"]
        return items

    assert await listed() == [old, standard, reduced, other]
    assert await listed(zone_id=zone["id"], at=text(now)) == [standard, reduced]
    assert await listed(tax_class="reduced") == [reduced]
    assert await listed(at=text(now - 2 * YEAR)) == [old, reduced, other]


async def test_a_rate_needs_a_zone(shop: Shop, make_zone: MakeZone) -> None:
    zone = await make_zone("GB")
    await shop.staff.delete(f"/tax/zones/{zone['id']}")
    body = {"zone_id": zone["id"], "tax_class": "standard", "rate": "0.1", "name": "VAT"}
    answer = await shop.staff.post("/tax/rates", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/tax-zone-unknown")


async def test_an_order_placed_by_another_process_has_the_tax_as_soon_as_it_is_committed(
    shop: Shop, make_zone: MakeZone, make_rate: MakeRate
) -> None:
    """Each process holds the rules in memory, and compares their version with the one that it reads for each order."""
    product = await shop.product()
    url = shop.served.database_url
    async with serve("order_service", database_url=url, limits=False, **secrets()) as served:
        other = Shop(served)
        assert await _tax_of_an_order(other, product) == (0, "0.00")
        zone = await make_zone("GB")
        rate = await make_rate(zone, "0.175", starts_at=text(utcnow() - YEAR))
        assert await _tax_of_an_order(other, product) == (298, "0.175")
        ended = await shop.staff.patch(f"/tax/rates/{rate['id']}", json={"ends_at": text(utcnow())})
        assert await _tax_of_an_order(other, product) == (0, "0.00")
        await make_rate(zone, "0.20", starts_at=ended.json()["ends_at"])
        assert await _tax_of_an_order(other, product) == (333, "0.20")


async def _tax_of_an_order(shop: Shop, product_id: UUID) -> tuple[int, str]:
    """The tax of two pieces for 20.00, and its rate."""
    answer = await shop.place(product_id)
    assert answer.status_code == 201, answer.text
    quote = answer.json()["quote"]
    return quote["tax"], quote["lines"][0]["tax_rate"]
