"""Scheduled prices, and the unit price that applies."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.events.products import ProductChanged, ScheduledPrice
from contracts.pricing import unit_price
from product_service.products import queries
from product_service.products.queries import PriceQuery
from product_service.products.schemas import ProductOut
from product_service.search import queries as search
from product_service.search.conditions import Criteria
from product_service.search.facet_queries import facets
from product_service.search.schemas import Filters, Sort
from product_service.tests.conftest import Json, MakeProduct
from service_kit.clock import utcnow
from service_kit.database.keyset import Position
from service_kit.ids import uuid7
from tests.harness.service import Caller, Served

BASE = 1000


def hours(number: float) -> datetime:
    return (utcnow() + timedelta(hours=number)).replace(microsecond=0)


SCHEDULES = st.lists(
    st.tuples(
        st.integers(1, 9999),
        st.sampled_from(["GBP", "EUR"]),
        st.sampled_from([1, 1, 5, 10]),
        st.integers(0, 20),
        st.none() | st.integers(0, 10),
    ),
    max_size=8,
    unique_by=lambda row: (row[1], row[2], row[3]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schedule=SCHEDULES, quantity=st.integers(1, 12), currency=st.sampled_from(["GBP", "EUR"]))
async def test_a_rendered_product_matches_its_snapshot(
    service: Served, schedule: list[tuple[Any, ...]], quantity: int, currency: str
) -> None:
    """The price by SQL is the one by `contracts.pricing`: of a single product, in lists, filters and facets.

    It is compared at every start and end. A scheduled price may start with the product, or end at its own start.
    """
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    id = uuid7()
    prices = [ScheduledPrice(amount=BASE, currency="GBP", min_quantity=1, starts_at=begin)]
    for amount, of, tier, start, length in schedule:
        starts_at = begin + timedelta(hours=start)
        ends_at = None if length is None else starts_at + timedelta(hours=length)
        prices.append(
            ScheduledPrice(amount=amount, currency=of, min_quantity=tier, starts_at=starts_at, ends_at=ends_at)
        )
    await _store(service, id, prices)
    times = {time for price in prices for time in (price.starts_at, price.ends_at) if time}
    for at in sorted(times):
        async with service.runtime.database.connection() as db:
            shown = await queries.show(db, id, PriceQuery(at, quantity, currency))
        assert shown is not None
        assert _amount(shown.body) == unit_price(prices, quantity, currency, at)
        expected = unit_price(prices, 1, currency, at)
        for sort in (Sort.CHEAPEST, Sort.NEWEST):
            assert await _listed(service, id, sort, currency, at) == expected
        if expected is None:
            assert await _facets(service, id, currency, at) == (1, [])
        else:
            assert await _facets(service, id, currency, at, expected, expected) == (1, [(expected, expected)])
            assert await _facets(service, id, currency, at, expected + 1) == (0, [])


def _amount(body: str) -> int | None:
    price = ProductOut.model_validate_json(body).unit_price
    return price.amount if price else None


async def _listed(service: Served, id: UUID, sort: Sort, currency: str, at: datetime) -> int | None:
    """The price in a list. None: it has none, and is not in a list that is sorted by price."""
    filters = Filters(sku=[str(id)], currency=currency)
    async with service.runtime.database.transaction() as tx:
        found = await search.page(tx, Criteria(filters), sort, Position(), at)
    assert len(found.rows) <= 1
    return _amount(found.rows[0]["body"]) if found.rows else None


async def _facets(
    service: Served, id: UUID, currency: str, at: datetime, least: int | None = None, most: int | None = None
) -> tuple[int, list[tuple[int, int]]]:
    """The number of products within the limits, and their range of prices."""
    filters = Filters(sku=[str(id)], currency=currency, min_price=least, max_price=most)
    async with service.runtime.database.transaction() as tx:
        found = await facets(tx, Criteria(filters), at)
    return found.count, [(each.min, each.max) for each in found.prices]


async def _store(service: Served, id: UUID, prices: list[ScheduledPrice]) -> None:
    base, *scheduled = prices
    async with service.runtime.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO products (id, sku, slug, name, attributes, price_amount, price_currency, status, version,"
            " created_at, updated_at) VALUES ($1, $2, $2, 'P', '{}', $3, $4, 'active', 1, $5, $5)",
            *(id, str(id), base.amount, base.currency, base.starts_at),
        )
        for price in scheduled:
            await tx.execute(
                "INSERT INTO prices (id, product_id, amount, currency, min_quantity, starts_at, ends_at, created_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $6)",
                *(uuid7(), id, price.amount, price.currency, price.min_quantity, price.starts_at, price.ends_at),
            )


async def schedule(staff: Caller, product: Json, amount: int, **fields: Any) -> Json:
    body = {"amount": amount, "currency": "GBP", **fields}
    for name in ("starts_at", "ends_at"):
        if name in body:
            body[name] = body[name].isoformat()
    answer = await staff.post(f"/products/{product['id']}/prices", json=body)
    assert answer.status_code == 201, answer.text
    price: Json = answer.json()
    return price


async def shown(service: Served, product: Json, **asked: Any) -> Json | None:
    answer = await service.anonymous.get(f"/products/{product['id']}", params=asked)
    assert answer.status_code == 200, answer.text
    price: Json | None = answer.json()["unit_price"]
    return price


async def test_quantity_tiers_and_currencies(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    await schedule(staff, product, 900, min_quantity=10)
    await schedule(staff, product, 800, min_quantity=100)
    await schedule(staff, product, 1200, currency="EUR")
    for quantity, amount in ((1, 1000), (9, 1000), (10, 900), (99, 900), (100, 800)):
        assert await shown(service, product, quantity=quantity) == {"amount": amount, "currency": "GBP"}
    assert await shown(service, product, quantity=10, currency="EUR") == {"amount": 1200, "currency": "EUR"}
    assert await shown(service, product, currency="USD") is None


async def test_more_pieces_never_cost_more_each(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    await schedule(staff, product, 800, min_quantity=10)
    await schedule(staff, product, 500)
    for quantity in (1, 9, 10, 100):
        assert await shown(service, product, quantity=quantity) == {"amount": 500, "currency": "GBP"}


async def test_a_price_for_one_piece_overrides_the_base_price_until_it_ends(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    first = await schedule(staff, product, 900)
    second = await schedule(staff, product, 950, ends_at=hours(5))
    assert (await shown(service, product) or {})["amount"] == 950, "the price that started last applies"
    await schedule(staff, product, 1, starts_at=hours(1))
    assert (await shown(service, product) or {})["amount"] == 950, "a price does not apply before its start"
    for price, amount in ((second, 900), (first, 1000)):
        path = f"/products/{product['id']}/prices/{price['id']}/end"
        assert (await staff.post(path)).status_code == 200
        assert (await shown(service, product) or {})["amount"] == amount
        assert (await staff.post(path)).json()["type"] == "/problems/price-ended"


async def test_the_snapshot_has_present_and_future_prices_only(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    over = await schedule(staff, product, 1)
    withdrawn = await schedule(staff, product, 2, starts_at=hours(2))
    await schedule(staff, product, 3, starts_at=hours(3), ends_at=hours(4))
    for price in (over, withdrawn):
        await staff.post(f"/products/{product['id']}/prices/{price['id']}/end", json={})
    published = (await service.events(ProductChanged))[-1]
    assert [price.amount for price in published.prices] == [1000, 3]
    listed = (await service.anonymous.get(f"/products/{product['id']}/prices")).json()["items"]
    assert [price["amount"] for price in listed] == [3]
    every = (await service.anonymous.get(f"/products/{product['id']}/prices", params={"ended": True})).json()["items"]
    assert [price["amount"] for price in every] == [1, 2, 3]
    assert every[1]["ends_at"] == every[1]["starts_at"]
    await schedule(staff, product, 4, starts_at=datetime.fromisoformat(withdrawn["starts_at"]))


async def test_a_price_never_starts_in_the_past(staff: Caller, make_product: MakeProduct) -> None:
    product, before = await make_product(), utcnow()
    price = await schedule(staff, product, 1, starts_at=hours(-24))
    assert datetime.fromisoformat(price["starts_at"]) >= before
    path = f"/products/{product['id']}/prices/{price['id']}/end"
    ended = (await staff.post(path, json={"ends_at": hours(-24).isoformat()})).json()
    assert datetime.fromisoformat(ended["ends_at"]) >= before


@pytest.mark.parametrize("ends", [-2, 0.5])
async def test_a_price_must_end_after_its_start_and_in_the_future(
    staff: Caller, make_product: MakeProduct, ends: float
) -> None:
    body = {"amount": 1, "currency": "GBP", "starts_at": hours(1).isoformat(), "ends_at": hours(ends).isoformat()}
    answer = await staff.post(f"/products/{(await make_product())['id']}/prices", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/price-ends-too-early")


async def test_two_prices_of_a_tier_cannot_start_at_the_same_time(staff: Caller, make_product: MakeProduct) -> None:
    product, start = await make_product(), hours(1)
    first = await schedule(staff, product, 1, starts_at=start)
    await schedule(staff, product, 1, starts_at=start, min_quantity=2)
    again = await staff.post(
        f"/products/{product['id']}/prices", json={"amount": 2, "currency": "GBP", "starts_at": start.isoformat()}
    )
    assert (again.status_code, again.json()["price_id"]) == (409, first["id"])


async def test_a_change_of_prices_is_a_new_version_of_the_product(staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    path, body = f"/products/{product['id']}/prices", {"amount": 1, "currency": "GBP"}
    etag = (await staff.get(f"/products/{product['id']}")).headers["etag"]
    made = await staff.post(path, json=body, headers={"If-Match": etag})
    assert (made.status_code, made.headers["etag"]) == (201, '"2"')
    assert (await staff.post(path, json=body, headers={"If-Match": etag})).status_code == 412
    end = f"{path}/{made.json()['id']}/end"
    assert (await staff.post(end, headers={"If-Match": etag})).status_code == 412
    assert (await staff.post(end, headers={"If-Match": '"2"'})).status_code == 200


async def test_a_price_is_not_found_under_another_product(staff: Caller, make_product: MakeProduct) -> None:
    product, other = await make_product(), await make_product()
    price = await schedule(staff, product, 1)
    assert (await staff.post(f"/products/{other['id']}/prices/{price['id']}/end")).status_code == 404


async def test_implausible_times_are_rejected(staff: Caller, make_product: MakeProduct) -> None:
    path = f"/products/{(await make_product())['id']}/prices"
    for time in (
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2027-01-01T00:00:00",
        1800000000,
        "1800000000",
    ):
        answer = await staff.post(path, json={"amount": 1, "currency": "GBP", "starts_at": time})
        assert answer.status_code == 422, time
