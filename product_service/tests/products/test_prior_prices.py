"""Prior prices: the lowest price of one piece in the 30 days before a reduction."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from product_service.products.prices import BasePrice, ScheduledPrice
from product_service.products.prior_prices import PriorPriceRule, PublicPrices, set_prior_prices
from product_service.tests.conftest import Json, MakeProduct
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from tests.harness.service import Caller, Served

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
Scheduled = tuple[int, int, int | None]
"""Amount, first day, and the day on which it no longer applies."""


def day(number: float) -> datetime:
    return DAY_0 + timedelta(days=number)


def bases(*changes: tuple[float, int] | tuple[float, int, str]) -> list[BasePrice]:
    """Day and amount of each base price, in pounds unless a currency is given."""
    return [
        BasePrice(
            id=uuid7(),
            product_id=uuid7(),
            amount=amount,
            currency=more[0] if more else "GBP",
            effective_from=day(start),
        )
        for start, amount, *more in changes
    ]


def scheduled(amount: int, start: int, end: int | None = None, currency: str = "GBP") -> ScheduledPrice:
    ends_at = None if end is None else day(end)
    return ScheduledPrice(
        product_id=uuid7(), amount=amount, currency=currency, min_quantity=1, starts_at=day(start), ends_at=ends_at
    )


USUAL = bases((-200, 1000))
CASES: dict[str, tuple[list[BasePrice], list[Scheduled], list[int | None]]] = {
    "a plain reduction": (USUAL, [(800, 0, 5)], [1000]),
    "a flash sale before a sale": (USUAL, [(500, -10, -9), (800, 0, 5)], [1000, 500]),
    "a flash sale more than 30 days before": (USUAL, [(500, -40, -31), (800, 0, 5)], [1000, 1000]),
    "a flash sale that ended exactly 30 days before": (USUAL, [(500, -40, -30), (800, 0, 5)], [1000, 1000]),
    "a flash sale whose last day is within 30 days": (USUAL, [(500, -40, -29), (800, 0, 5)], [1000, 500]),
    "the price was raised just before the sale": (bases((-200, 1000), (-2, 1500)), [(1200, 0, 5)], [1000]),
    "the price was raised long before the sale": (bases((-200, 1000), (-60, 1500)), [(1200, 0, 5)], [1500]),
    "a progressive reduction": (USUAL, [(900, -10, 0), (800, 0, 5), (700, 5, 9)], [1000, 900, 800]),
    "overlapping prices: the last applies": (USUAL, [(900, -50, 9), (700, -20, -15), (800, 0, 5)], [1000, 900, 700]),
    "a price hidden by one that started later": (USUAL, [(500, -50, 9), (950, -45, -1), (800, 0, 5)], [1000, 500, 500]),
    "a price that was withdrawn before its start": (USUAL, [(10, -5, -5), (800, 0, 5)], [1000, 1000]),
    "the sale itself is not before the sale": (USUAL, [(800, 0, None)], [1000]),
    "the base price was lowered and raised": (bases((-200, 1000), (-20, 700), (-19, 1000)), [(800, 0, 5)], [700]),
    "a price in another currency only": (bases((-200, 1000, "EUR")), [(800, 0, 5)], [None]),
    "the base price changed its currency": (bases((-200, 400), (-20, 1000, "EUR")), [(800, 0, 5)], [400]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_prior_price_is_the_lowest_before(case: str) -> None:
    base, rows, expected = CASES[case]
    prices = [scheduled(*row) for row in rows]
    set_prior_prices(base, prices, day(-200), day(-100), PriorPriceRule())
    assert [price.prior_amount for price in prices] == expected


def test_currencies_are_apart() -> None:
    prices = [scheduled(1, -5, -4, "EUR"), scheduled(1100, -100, None, "EUR"), scheduled(900, 0, 9, "EUR")]
    prices += [scheduled(800, 0, 9)]
    set_prior_prices(USUAL, prices, day(-200), day(-100), PriorPriceRule())
    assert [price.prior_amount for price in prices] == [1100, None, 1, 1000]


def test_a_progressive_reduction_keeps_the_price_before_its_first_step() -> None:
    rows = [(900, -10, 0), (800, 0, 5), (700, 5, 9), (600, 12, 13)]
    prices = [scheduled(*row) for row in rows]
    set_prior_prices(USUAL, prices, day(-200), day(-100), PriorPriceRule(progressive=True))
    assert [price.prior_amount for price in prices] == [1000, 1000, 1000, 700], "there was a break before the last"


def test_a_price_that_is_raised_during_a_reduction_is_no_further_step() -> None:
    prices = [scheduled(*row) for row in [(800, -10, 0), (900, 0, 5)]]
    set_prior_prices(USUAL, prices, day(-200), day(-100), PriorPriceRule(progressive=True))
    assert [price.prior_amount for price in prices] == [1000, 800]


@pytest.mark.parametrize(("on_sale", "prior"), [(None, None), (0, None), (3, None), (-1, 1000), (-40, 300)])
def test_prices_before_the_product_was_on_sale_do_not_count(on_sale: int | None, prior: int | None) -> None:
    price, base = scheduled(800, 0), bases((-200, 300), (-10, 1000))
    set_prior_prices(base, [price], None if on_sale is None else day(on_sale), day(-1), PriorPriceRule())
    assert price.prior_amount == prior


def test_a_history_that_begins_too_late_gives_no_prior_price() -> None:
    """Of a product from a release that did not record base prices, it is unknown what it cost before."""
    for begins, prior in ((-3, None), (-31, 1000)):
        price = scheduled(800, 0)
        set_prior_prices(bases((begins, 1000)), [price], day(-200), day(-1), PriorPriceRule())
        assert price.prior_amount == prior


def test_a_price_that_has_started_keeps_its_prior_price() -> None:
    past, coming = scheduled(800, 0), scheduled(700, 5)
    past.prior_amount = 999
    set_prior_prices(USUAL, [past, coming], day(-200), day(1), PriorPriceRule())
    assert (past.prior_amount, coming.prior_amount) == (999, 800)


STARTS = st.lists(
    st.tuples(st.integers(1, 99), st.integers(-60, 10), st.none() | st.integers(0, 40)),
    max_size=9, unique_by=lambda row: row[1],
)  # fmt: skip
BASES = st.lists(
    st.tuples(st.integers(-80, 10), st.integers(1, 99)), min_size=1, max_size=5, unique_by=lambda row: row[0]
)


@given(base=BASES, rows=STARTS, on_sale=st.none() | st.integers(-80, 10), length=st.integers(1, 40))
def test_it_agrees_with_a_walk_through_the_days(
    base: list[tuple[int, int]], rows: list[tuple[int, int, int | None]], on_sale: int | None, length: int
) -> None:
    base = [(-81, 50), *sorted(base)]
    spans = [(amount, start, None if days is None else start + days) for amount, start, days in rows]

    def price_on(number: int) -> int:
        in_force = [each for each in spans if each[1] <= number and (each[2] is None or number < each[2])]
        if in_force:
            return max(in_force, key=lambda each: each[1])[0]
        return [amount for start, amount in base if start <= number][-1]

    def prior(start: int) -> int | None:
        if on_sale is None:
            return None
        return min((price_on(each) for each in range(max(start - length, on_sale), start)), default=None)

    prices = [scheduled(*span) for span in spans]
    on_sale_since = None if on_sale is None else day(on_sale)
    if on_sale is not None and on_sale < -80:
        return
    set_prior_prices(bases(*base), prices, on_sale_since, day(-100), PriorPriceRule(days=length))
    assert [price.prior_amount for price in prices] == [prior(start) for _, start, _ in spans]


@given(rows=STARTS, cut=st.integers(-60, 10))
def test_what_starts_later_changes_no_prior_price(rows: list[tuple[int, int, int | None]], cut: int) -> None:
    spans = [(amount, start, None if days is None else start + days) for amount, start, days in rows]
    public = PublicPrices.of(USUAL, [scheduled(*each) for each in spans], "GBP", day(-200))
    before = PublicPrices.of(USUAL, [scheduled(*each) for each in spans if each[1] < cut], "GBP", day(-200))
    assert public.prior(1, day(cut), PriorPriceRule()) == before.prior(1, day(cut), PriorPriceRule())


async def schedule(staff: Caller, product: Json, amount: int, start: float = 0, **fields: object) -> Json:
    """`start` in hours from now."""
    starts_at = (utcnow() + timedelta(hours=start)).isoformat()
    body = {"amount": amount, "currency": "GBP", "starts_at": starts_at, **fields}
    answer = await staff.post(f"/products/{product['id']}/prices", json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def reduction(service: Served, product: Json, **asked: object) -> tuple[int, int] | None:
    """Prior price and percent of one product, which is the same in a list."""
    answer = await service.anonymous.get(f"/products/{product['id']}", params={key: str(asked[key]) for key in asked})
    found: Json | None = answer.json()["reduction"]
    if not asked:
        listed = await service.anonymous.get("/products", params={"sku": product["sku"]})
        assert [each["reduction"] for each in listed.json()["items"]] == [found]
    return (found["prior"]["amount"], found["percent"]) if found else None


async def priors(staff: Caller, product: Json) -> list[int | None]:
    answer = await staff.get(f"/products/{product['id']}/prices", params={"ended": True})
    return [each["prior_amount"] for each in answer.json()["items"]]


async def test_a_reduction_is_shown_with_its_prior_price(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    assert await reduction(service, product) is None
    tag = (await service.anonymous.get(f"/products/{product['id']}")).headers["etag"]
    await schedule(staff, product, 666)
    assert await reduction(service, product) == (1000, 33)
    assert (await service.anonymous.get(f"/products/{product['id']}")).headers["etag"] != tag
    await schedule(staff, product, 900, min_quantity=10)
    assert await reduction(service, product, quantity=10) == (1000, 33)
    await schedule(staff, product, 600, min_quantity=10)
    assert await reduction(service, product, quantity=10) is None, "tiers have no prior price"


async def test_a_raised_price_has_no_reduction(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    await staff.patch(f"/products/{product['id']}", json={"price": {"amount": 1500, "currency": "GBP"}})
    await schedule(staff, product, 1200)
    assert await reduction(service, product) is None, "it cost less shortly before"
    assert await priors(staff, product) == [1000]


async def test_a_lowered_base_price_is_a_reduction(service: Served, staff: Caller, make_product: MakeProduct) -> None:
    product = await make_product()
    path = f"/products/{product['id']}"
    for amount, expected in ((900, (1000, 10)), (950, None), (1000, None), (800, (900, 11))):
        await staff.patch(path, json={"price": {"amount": amount, "currency": "GBP"}})
        assert await reduction(service, product) == expected
    history = (await service.anonymous.get(f"{path}/price-history")).json()["items"]
    assert [(each["amount"], each["prior_amount"]) for each in history] == [
        (800, 900), (1000, 900), (950, 900), (900, 1000), (1000, None),
    ]  # fmt: skip


async def test_each_change_of_the_schedule_computes_coming_prices_again(
    staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product()
    await schedule(staff, product, 900, start=100)
    assert await priors(staff, product) == [1000]
    flash = await schedule(staff, product, 500, start=50, ends_at=(utcnow() + timedelta(hours=60)).isoformat())
    assert await priors(staff, product) == [1000, 500]
    await staff.post(f"/products/{product['id']}/prices/{flash['id']}/end")
    assert await priors(staff, product) == [1000, 1000]
    await staff.patch(f"/products/{product['id']}", json={"price": {"amount": 700, "currency": "GBP"}})
    assert await priors(staff, product) == [1000, 700], "what has ended stays as it is"


async def test_a_draft_has_no_prior_prices_until_it_is_on_sale(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product(status="draft", price={"amount": 300, "currency": "GBP"})
    path = f"/products/{product['id']}"
    await staff.patch(path, json={"price": {"amount": 1000, "currency": "GBP"}})
    await schedule(staff, product, 900, start=1)
    assert await priors(staff, product) == [None]
    await staff.patch(path, json={"status": "active"})
    assert await priors(staff, product) == [1000], "its price before it was on sale does not count"
    seen = (await service.anonymous.get(f"{path}/price-history")).json()["items"]
    assert [each["amount"] for each in seen] == [1000]
    every = (await staff.get(f"{path}/price-history", params={"limit": 1})).json()
    assert [each["amount"] for each in every["items"]] == [1000]
    rest = (await staff.get(f"{path}/price-history", params={"cursor": every["next"]})).json()
    assert [each["amount"] for each in rest["items"]] == [300]


async def test_the_history_of_a_hidden_product_is_not_shown(
    service: Served, staff: Caller, make_product: MakeProduct
) -> None:
    product = await make_product(status="draft")
    assert (await service.anonymous.get(f"/products/{product['id']}/price-history")).status_code == 404
    assert (await staff.get(f"/products/{product['id']}/price-history")).status_code == 200
