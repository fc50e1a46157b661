"""Products, lines and rules for tests of prices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from order_service.catalogue.models import Facts, Price, Product
from order_service.pricing.places import Destination
from order_service.pricing.promotions import (
    Amount,
    BuyGet,
    Code,
    Conditions,
    FreeShipping,
    Percent,
    Promotion,
    Scope,
    Stage,
)
from order_service.pricing.quotes import Quote, quote
from order_service.pricing.rules import Rules, Terms
from order_service.pricing.shipping import By, Kind, ShippingMethod, ShippingRate, ShippingZone
from order_service.pricing.tax import Taxes, TaxRate, TaxZone

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)  # a Monday
BEGIN = NOW - timedelta(days=1)
CURRENCIES = ("GBP", "EUR", "JPY", "USD", "KWD")


def product(price: int, tax_class: str = "standard", weight_g: int | None = None, *path: UUID) -> Product:
    """An active product that costs `price` in every currency."""
    prices = tuple(Price(price, currency, 1, BEGIN, None) for currency in CURRENCIES)
    return Product(uuid4(), "SKU", "A mug", "active", prices, Facts(tax_class, weight_g, frozenset(path)))


def zone(
    country: str, rates: Mapping[str, int], *, include: bool = True, rounding: str = "line", mode: str = "half_up"
) -> TaxZone:
    """`rates`: parts per million by tax class."""
    found = tuple(TaxRate(name, rate, name) for name, rate in rates.items())
    return TaxZone(uuid4(), country, frozenset({country}), frozenset(), rounding, mode, include, found)


def method(amount: int, code: str = "post", tax: str = "follows_goods", **changes: Any) -> ShippingMethod:
    rates = tuple(ShippingRate(currency, By.TOTAL, 0, amount) for currency in CURRENCIES)
    found = ShippingMethod(uuid4(), code, code.title(), Kind.DELIVERY, tax, rates, {}, min_days=2, max_days=4)
    return replace(found, **changes)


def everywhere(*methods: ShippingMethod) -> ShippingZone:
    return ShippingZone(uuid4(), "Everywhere", frozenset(), frozenset(), (), methods)


def promotion(
    effect: Percent | Amount | FreeShipping | BuyGet,
    stage: Stage = Stage.ORDER,
    scope: Scope = Scope(),
    conditions: Conditions = Conditions(),
    **changes: Any,
) -> Promotion:
    """An automatic promotion of today."""
    limits = {"use_limit": None, "use_limit_per_customer": None, "starts_at": None, "ends_at": None}
    fixed: dict[str, Any] = {"automatic": True, "priority": 0, "stops": False, **limits}
    return Promotion(uuid4(), "Sale", stage, effect, scope, conditions, **{**fixed, **changes})


def code_of(promotion: Promotion, text: str = "SAVE") -> Code:
    return Code(text, promotion.id)


def items_of(goods: Sequence[tuple[Product, int]]) -> list[Any]:
    return [SimpleNamespace(product_id=each.id, quantity=count, agreed_unit_price=None) for each, count in goods]


def priced(
    goods: Sequence[tuple[Product, int]],
    *,
    currency: str = "GBP",
    to: Destination | None = Destination("GB"),
    zones: Sequence[TaxZone] = (),
    home: str | None = None,
    methods: Sequence[ShippingMethod] = (),
    promotions: Sequence[Promotion] = (),
    now: datetime = NOW,
    **terms: Any,
) -> Quote:
    """The quote for these products and quantities. `methods` are offered everywhere."""
    rules = Rules(1, Taxes(tuple(zones), home), (everywhere(*methods),) if methods else (), tuple(promotions))
    known = {each.id: each for each, _ in goods}
    return quote(items_of(goods), known, now, currency=currency, preferred=currency, terms=Terms(rules, to, **terms))
