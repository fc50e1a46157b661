"""Money in a request."""

from contracts.money import Money
from service_kit.iso_codes import Currency
from service_kit.schemas import RequestBody


class MoneyIn(Money, RequestBody):
    """As `Money`, which also reads what is stored already, and in a currency that there is."""

    currency: Currency
