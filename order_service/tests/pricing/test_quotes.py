"""The prices of carts and orders, without a database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import Money
from order_service.carts.queries import Item
from order_service.catalogue.models import Price, Product
from order_service.orders.schemas import LineIn
from order_service.pricing.quotes import (
    OneCurrencyPerOrder,
    ProductUnavailable,
    Quote,
    quote,
    quote_order,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BEGIN = NOW - timedelta(days=1)
PRICES = st.builds(
    Price,
    *(
        st.integers(0, 999),
        st.sampled_from(["GBP", "GBP", "EUR"]),
        st.sampled_from([1, 1, 5]),
        st.just(BEGIN),
        st.none(),
    ),
)
PRODUCTS = st.builds(
    Product,
    st.uuids(version=4), st.just("SKU"), st.just("A mug"), st.sampled_from(["active"] * 9 + ["archived"]),
    st.lists(PRICES, min_size=1, max_size=4).map(tuple),
)  # fmt: skip
GOODS = st.lists(st.tuples(PRODUCTS, st.integers(1, 9)), min_size=1, max_size=5, unique_by=lambda each: each[0].id)


def product(*prices: tuple[int, str], status: str = "active") -> Product:
    return Product(uuid4(), "SKU", "A mug", status, tuple(Price(*price, 1, BEGIN, None) for price in prices))


def placed(goods: Sequence[tuple[Product, int]], known: dict[UUID, Product], asked: str | None = None) -> Quote:
    lines = [LineIn(product_id=product.id, quantity=quantity) for product, quantity in goods]
    return quote_order(lines, known, NOW, asked=asked, preferred="GBP")


@given(goods=GOODS)
def test_an_order_costs_what_its_cart_shows(goods: list[tuple[Product, int]]) -> None:
    """If the order can't be placed, the cart shows which of its products can't be bought."""
    known = {product.id: product for product, _ in goods}
    items = [Item(product.id, quantity, BEGIN, product, None) for product, quantity in goods]
    cart = quote(items, known, NOW, currency=None, preferred="GBP")
    try:
        order = placed(goods, known)
    except (ProductUnavailable, OneCurrencyPerOrder):
        assert cart.unpriced
    else:
        assert order == cart


@given(goods=GOODS, random=st.randoms())
def test_the_order_of_the_lines_does_not_matter(goods: list[tuple[Product, int]], random: Random) -> None:
    known = {product.id: product for product, _ in goods}
    lines = [LineIn(product_id=product.id, quantity=quantity) for product, quantity in goods]
    found = quote(lines, known, NOW, currency=None, preferred="GBP")
    random.shuffle(lines)
    shuffled = quote(lines, known, NOW, currency=None, preferred="GBP")
    assert (shuffled.total, shuffled.currency) == (found.total, found.currency)
    prices, others = ({line.product_id: replace(line, position=1) for line in each.lines} for each in (found, shuffled))
    assert prices == others


def test_unavailable_products_are_listed_and_cost_nothing() -> None:
    mug, old, unpriced, unknown = product((100, "GBP")), product((1, "GBP"), status="archived"), product(), uuid4()
    known = {each.id: each for each in (mug, old, unpriced)}
    lines = [LineIn(product_id=id, quantity=2) for id in (mug.id, old.id, unpriced.id, unknown)]
    found = quote(lines, known, NOW, currency=None, preferred="EUR")
    assert (found.total, found.currency, len(found.lines)) == (200, "GBP", 1)
    assert [(each.line, each.reason) for each in found.unpriced] == [(2, "archived"), (3, "no-price"), (4, "unknown")]
    with pytest.raises(ProductUnavailable) as rejected:
        quote_order(lines, known, NOW, asked=None, preferred="EUR")
    assert [each["reason"] for each in rejected.value.members["lines"]] == ["archived", "unknown"]
    with pytest.raises(ProductUnavailable) as rejected:
        quote_order(lines[:1] + lines[2:3], known, NOW, asked=None, preferred="EUR")
    assert rejected.value.members["lines"] == [{"line": 2, "product_id": unpriced.id, "reason": "no-price"}]


def test_products_without_a_common_currency_cannot_be_ordered_together() -> None:
    pounds, euros = product((100, "GBP")), product((90, "EUR"))
    known = {each.id: each for each in (pounds, euros)}
    for asked, expected in ((None, OneCurrencyPerOrder), ("GBP", ProductUnavailable)):
        with pytest.raises(expected):
            placed([(pounds, 1), (euros, 1)], known, asked)
    line = LineIn.model_validate(
        {"product_id": pounds.id, "quantity": 1, "agreed_unit_price": {"amount": 5, "currency": "EUR"}}
    )
    with pytest.raises(OneCurrencyPerOrder):
        quote_order([line], known, NOW, asked="GBP", preferred="GBP")
    assert (
        quote_order([line], known, NOW, asked=None, preferred="GBP", expected=Money(amount=5, currency="EUR")).total
        == 5
    )
