"""The rules that price an order besides the products' own prices: taxes, shipping and promotions.

They are one immutable value in memory. Its version is read together with the products, so that no process prices an
order by rules that have been replaced.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from order_service.pricing.places import Destination
from order_service.pricing.promotions import Buyer, Code, Promotion
from order_service.pricing.shipping import ShippingZone
from order_service.pricing.tax import Taxes, TaxProvider


@dataclass(frozen=True)
class Rules:
    """`promotions` are those that have not ended. Without anything configured, an order costs what its lines cost."""

    version: int = 0
    taxes: TaxProvider = Taxes()
    shipping_zones: tuple[ShippingZone, ...] = ()
    promotions: tuple[Promotion, ...] = ()

    @cached_property
    def in_order(self) -> Sequence[Promotion]:
        """The promotions in the sequence in which they apply within a stage."""
        return sorted(self.promotions, key=lambda each: (-each.priority, each.id))

    @cached_property
    def is_empty(self) -> bool:
        return self.taxes.is_empty and not self.shipping_zones and not self.promotions

    @cached_property
    def has_automatic_promotions(self) -> bool:
        return any(each.automatic for each in self.promotions)


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the price of an order depends on besides its lines. `to` None: the address is not known yet, so neither
    shipping nor tax is. `tax_id_is_valid`: the buyer is a business whose tax id was confirmed."""

    rules: Rules = NO_RULES
    to: Destination | None = None
    buyer: Buyer = field(default_factory=Buyer)
    codes: Sequence[Code] = ()
    shipping_method: str | None = None
    tax_id_is_valid: bool = False


NO_TERMS = Terms()
