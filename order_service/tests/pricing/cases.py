"""Cases with known right answers, from tax authorities, standards and other shops' faults. `test_worked_cases` has the
answers and their sources; `quotes.test_quotes` asks the API the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from order_service.catalogue.models import Product
from order_service.pricing.places import Destination
from order_service.pricing.promotions import Amount, BuyGet, FreeShipping, Percent, Promotion, Scope, Stage
from order_service.pricing.quotes import Quote
from order_service.pricing.shipping import ShippingMethod
from order_service.pricing.tax import TaxZone
from order_service.tests.pricing.goods import method, priced, product, promotion, zone


class Good(NamedTuple):
    product: Product
    quantity: int


@dataclass(frozen=True)
class Case:
    goods: Sequence[Good]
    zones: Sequence[TaxZone] = ()
    promotions: Sequence[Promotion] = ()
    methods: Sequence[ShippingMethod] = ()
    currency: str = "GBP"
    country: str = "GB"
    home: str | None = None
    tax_id_is_valid: bool = False

    def quote(self) -> Quote:
        terms: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("zones", "promotions", "methods", "currency", "home", "tax_id_is_valid")
        }
        return priced(self.goods, to=Destination(self.country), **terms)


TWENTY = {"standard": 200_000}
GB = zone("GB", TWENTY)
GB_AND_ZERO = zone("GB", {**TWENTY, "zero": 0})
JP_BY_RATE = zone("JP", {"standard": 80_000}, include=False, rounding="rate", mode="down")
FROM_DE: dict[str, Any] = {
    "zones": [zone("DE", {"standard": 190_000}), zone("FR", TWENTY)],
    "methods": [method(595)],
    "currency": "EUR",
    "country": "FR",
    "home": "DE",
}
MUG, BOWL, GIVEN, BOUGHT = product(1249), product(3000), product(800, "zero"), product(1000)
SALE = promotion(Percent(200_000), Stage.LINES, Scope(frozenset({MUG.id})))
OFF = promotion(Amount({"GBP": 500}))
FREE = promotion(FreeShipping(), Stage.SHIPPING)
OFFER = promotion(BuyGet(1, 1, 1_000_000, Scope(frozenset({GIVEN.id}))), Stage.LINES, Scope(frozenset({BOUGHT.id})))
THREE_OF_99 = [Good(product(99), 1)] * 3


def _us(rounding: str) -> Case:
    taxed = zone("US", {"standard": 72_500}, include=False, rounding=rounding)
    return Case(THREE_OF_99, [taxed], currency="USD", country="US")


def _free_from_50(price: int) -> Case:
    off, post = promotion(Amount({"GBP": 1000})), method(399, free_from={"GBP": 5000})
    return Case([Good(product(price), 1)], (), [off], [post])


CASES = {
    "T1": Case([Good(product(25), 3)], [GB]),
    "T2": Case([Good(product(108), 3)], [zone("GB", {"standard": 190_000}, include=False)]),
    "T3": Case([Good(product(98), 1)] * 3, [JP_BY_RATE], currency="JPY", country="JP"),
    "T4 by line": _us("line"),
    "T4 by rate": _us("rate"),
    "T5": Case([Good(product(1000), 1)] * 3, [GB], [promotion(Amount({"GBP": 1000}))]),
    "T6": Case([Good(MUG, 2), Good(BOWL, 1)], [GB], [FREE, OFF, SALE], [method(495)]),
    "T7": Case([Good(product(143), 7)], [GB], [promotion(Percent(100_000))]),
    "T8": Case(
        [Good(product(10_000), 2)],
        [zone("GB", {"standard": 100_000}, include=False)],
        [promotion(Amount({"GBP": 2000}))],
    ),
    "T11": Case(
        [Good(product(1980), 1)],
        [zone("JP", {"standard": 100_000})],
        [promotion(Percent(150_000))],
        currency="JPY",
        country="JP",
    ),
    "T17": Case([Good(GIVEN, 1), Good(BOUGHT, 1)], [GB_AND_ZERO], [OFFER]),
    "T18 below": _free_from_50(5300),
    "T18 reached": _free_from_50(6000),
    "T19": Case([Good(product(1000), 1), Good(product(3000, "zero"), 1)], [GB_AND_ZERO], (), [method(400)]),
    "T20 business": Case([Good(product(11_900), 1)], tax_id_is_valid=True, **FROM_DE),
    "T20 person": Case([Good(product(11_900), 1)], **FROM_DE),
    "T27": Case(
        [Good(product(999), 3)],
        [GB],
        [promotion(Percent(1_000_000)), promotion(FreeShipping(), Stage.SHIPPING)],
        [method(500)],
    ),
}
