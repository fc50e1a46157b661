"""Money in a request."""

from contracts.money import Money
from service_kit.iso_codes import Currency
from service_kit.schemas import RequestBody


class MoneyIn(Money, RequestBody):
    """An amount in a currency of ISO 4217. `Money` itself accepts every code, since stored ones may be obsolete."""

    currency: Currency
