"""Money in a request."""

from contracts.money import Money
from service_kit.iso_codes import Currency
from service_kit.schemas import RequestBody


class MoneyIn(Money, RequestBody):
    """`Money` in a currency that exists; `Money` itself also reads what is stored."""

    currency: Currency
