"""What holds for every order, whatever its goods, promotions, shipping and taxes are."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from order_service.catalogue.models import Facts, Price, Product
from order_service.pricing.arithmetic import half_up, part, share, split
from order_service.pricing.lines import QuoteLine, Shipping
from order_service.pricing.places import Destination
from order_service.pricing.promotions import Amount, BuyGet, Conditions, FreeShipping, Percent, Promotion, Scope, Stage
from order_service.pricing.quotes import Quote
from order_service.pricing.shipping import ShippingMethod
from order_service.pricing.tax import TaxZone
from order_service.tests.pricing.goods import BEGIN, method, priced, promotion, zone
from service_kit.iso_codes import smallest_charge as step_of

IDS = [UUID(int=n, version=4) for n in range(1, 7)]
CATEGORIES = [UUID(int=n, version=4) for n in range(100, 103)]
CURRENCIES = st.sampled_from(["GBP", "JPY", "KWD"])


@st.composite
def goods(draw: st.DrawFn, currency: str) -> list[tuple[Product, int]]:
    found: list[tuple[Product, int]] = []
    for id in draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=5)):
        price = draw(st.integers(0, 400)) * step_of(currency)
        facts = Facts(
            draw(st.sampled_from(["standard", "reduced", "zero"])),
            draw(st.none() | st.integers(0, 5000)),
            frozenset(draw(st.lists(st.sampled_from(CATEGORIES), max_size=2))),
        )
        known = next((product for product, _ in found if product.id == id), None)
        product = known or Product(id, "SKU", "A mug", "active", (Price(price, currency, 1, BEGIN, None),), facts)
        found.append((product, draw(st.integers(1, 7))))
    return found


def scopes() -> st.SearchStrategy[Scope]:
    some = st.frozensets(st.sampled_from(IDS), max_size=2)
    return st.builds(Scope, some, st.frozensets(st.sampled_from(CATEGORIES), max_size=1), some)


@st.composite
def promotions(draw: st.DrawFn, currency: str) -> Promotion:
    step = step_of(currency)
    stage = draw(st.sampled_from(Stage))
    rate = st.integers(1, 1_000_000)
    effects: list[st.SearchStrategy[Any]] = [
        st.builds(Percent, rate, st.just({}) | st.builds(lambda most: {currency: most * step}, st.integers(0, 500))),
        st.builds(lambda amount: Amount({currency: amount * step}), st.integers(1, 900)),
    ]
    if stage is Stage.LINES:
        effects.append(st.builds(lambda amount: Amount({currency: amount * step}, each=True), st.integers(1, 90)))
        effects.append(st.builds(BuyGet, st.integers(1, 3), st.integers(1, 2), rate, st.none() | scopes()))
    if stage is Stage.SHIPPING:
        effects.append(st.just(FreeShipping()))
    conditions = Conditions({currency: draw(st.integers(0, 500)) * step}, draw(st.integers(0, 5)))
    return promotion(
        draw(st.one_of(effects)), stage, draw(scopes()), conditions,
        priority=draw(st.integers(0, 2)), stops=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    currency = draw(CURRENCIES)
    rates = {"standard": draw(st.sampled_from([0, 72_500, 190_000, 200_000])), "reduced": 55_000, "zero": 0}
    tax: TaxZone = zone(
        "GB", rates, include=draw(st.booleans()), rounding=draw(st.sampled_from(["line", "rate"])),
        mode=draw(st.sampled_from(["half_up", "down"])),
    )  # fmt: skip
    post: ShippingMethod = method(draw(st.integers(0, 90)) * step_of(currency))
    taxed_as = draw(st.sampled_from(["follows_goods", "reduced"]))
    return {
        "goods": draw(goods(currency)),
        "currency": currency,
        "zones": draw(st.sampled_from([(), (tax,)])),
        "methods": draw(st.sampled_from([(), (replace(post, tax=taxed_as),)])),
        "promotions": draw(st.lists(promotions(currency), max_size=4)),
        "home": draw(st.sampled_from([None, "DE"])),
    }


def quoted(order: dict[str, Any], **changes: Any) -> Quote:
    whole = order | changes
    return priced(whole.pop("goods"), to=Destination("GB"), **whole)


@given(order=orders())
@settings(max_examples=300)
def test_the_parts_add_up_and_none_is_negative(order: dict[str, Any]) -> None:
    found = quoted(order)
    step = step_of(found.currency)
    parts: list[QuoteLine | Shipping] = [*found.lines, found.shipping]
    assert found.total == sum(each.total for each in parts)
    assert found.tax == sum(each.tax for each in parts)
    assert found.discount == sum(each.discount for each in parts)
    for each in parts:
        assert each.total == each.net + each.tax
        assert min(each.total, each.net, each.tax, each.discount, each.price) >= 0
    assert sum(each.tax for each in found.shipping.taxes) == found.shipping.tax
    assert sum(each.net for each in found.shipping.taxes) == (found.shipping.net if found.shipping.taxes else 0)
    assert all(each.total % step == 0 for each in parts), "everything can be charged and refunded"


@given(order=orders())
@settings(max_examples=300)
def test_what_promotions_take_off_stands_on_its_lines(order: dict[str, Any]) -> None:
    found = quoted(order)
    taken = Counter[int]()
    for each in found.adjustments:
        assert each.amount > 0
        taken[each.position] += each.amount
    assert taken == +Counter({**{line.position: line.discount for line in found.lines}, 0: found.shipping.discount})


@given(order=orders(), random=st.randoms())
def test_the_order_of_the_lines_does_not_change_the_total_before_tax(order: dict[str, Any], random: Random) -> None:
    """Neither does it change what each promotion takes off."""
    shuffled = list(order["goods"])
    random.shuffle(shuffled)
    first, second = quoted(order), quoted(order, goods=shuffled)

    def taken(quote: Quote) -> Counter[UUID]:
        return Counter({each.promotion_id: 0 for each in quote.adjustments}) + Counter(
            {each.promotion_id: each.amount for each in quote.adjustments}
        )

    assert first.discount == second.discount
    assert taken(first).keys() == taken(second).keys()


@given(order=orders(), data=st.data())
def test_any_partition_of_returns_gives_back_what_was_paid(order: dict[str, Any], data: st.DataObject) -> None:
    found = quoted(order)
    step = step_of(found.currency)
    for line in found.lines:
        cuts = sorted(data.draw(st.sets(st.integers(1, line.quantity))) | {line.quantity})
        for whole, rounded in ((line.total, step), (line.tax, 1)):
            back = [share(whole, k, line.quantity, rounded) - share(whole, r, line.quantity, rounded)
                    for r, k in zip([0, *cuts], cuts, strict=False)]  # fmt: skip
            assert sum(back) == whole
            assert min(back) >= 0


@given(order=orders())
def test_one_rounding_per_rate_differs_from_rounding_lines_by_less_than_a_unit_each(order: dict[str, Any]) -> None:
    for each in order["zones"]:
        by_line = quoted(order, zones=[replace(each, rounding="line")])
        by_rate = quoted(order, zones=[replace(each, rounding="rate")])
        parts = len(by_line.lines) + len(by_line.shipping.taxes)
        assert abs(by_line.tax - by_rate.tax) <= parts * step_of(by_line.currency)


WEIGHTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=30).filter(any)


@given(weights=WEIGHTS, data=st.data(), step=st.sampled_from([1, 10]))
@settings(max_examples=500)
def test_a_split_adds_up_and_takes_no_more_than_there_is(weights: list[int], data: st.DataObject, step: int) -> None:
    weights = [weight * step for weight in weights]
    total = data.draw(st.integers(0, sum(weights) // step)) * step
    parts = split(total, weights, step)
    assert sum(parts) == total
    assert all(0 <= part <= weight and part % step == 0 for part, weight in zip(parts, weights, strict=True))


@given(amount=st.integers(0, 10**12), rate=st.integers(0, 1_000_000))
def test_a_part_is_the_nearest_whole_amount(amount: int, rate: int) -> None:
    assert abs(part(amount, rate) * 1_000_000 - amount * rate) <= 500_000
    assert half_up(1, 2) == 1
