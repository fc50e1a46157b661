"""An order is taxed by whichever provider its rules hold."""

from dataclasses import dataclass, replace

from order_service.pricing.places import Destination
from order_service.pricing.quotes import quote
from order_service.pricing.rules import Rules, Terms
from order_service.pricing.tax import Taxable, Taxed, TaxProvider
from order_service.tests.pricing.goods import NOW, everywhere, items_of, method, product


@dataclass(frozen=True)
class PerLine:
    """Adds the same tax to each line, and none to the shipping."""

    tax: int
    is_empty: bool = False

    def apply(self, order: Taxable) -> Taxed:
        for line in order.lines:
            line.tax = self.tax
            line.total = line.price + self.tax
        order.shipping.total = order.shipping.price
        return Taxed(prices_include_tax=False)


def test_totals_are_those_of_the_provider() -> None:
    goods = [(product(1000), 2), (product(500), 1)]
    provider: TaxProvider = PerLine(7)
    terms = Terms(Rules(taxes=provider, shipping_zones=(everywhere(method(300)),)), Destination("GB"))
    known = {each.id: each for each, _ in goods}
    found = quote(items_of(goods), known, NOW, currency="GBP", preferred="GBP", terms=terms)
    assert (found.tax, found.total, found.prices_include_tax) == (14, 2500 + 14 + 300, False)
    elsewhere = quote(items_of(goods), known, NOW, currency="GBP", preferred="GBP", terms=replace(terms, to=None))
    assert (elsewhere.tax, elsewhere.total) == (0, 2500), "without an address it is not asked"
