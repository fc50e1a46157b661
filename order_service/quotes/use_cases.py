"""Quotes."""

from uuid import UUID

from order_service.orders.placing import CartEmpty
from order_service.pricing.places import Destination
from order_service.pricing.quotes import Quote, quote_order
from order_service.quotes import queries
from order_service.quotes.schemas import QuoteIn
from order_service.rules.holder import RulesHolder
from order_service.rules.terms import terms_of
from service_kit.clock import utcnow
from service_kit.database import Connection


async def quote(
    connection: Connection, wanted: QuoteIn, account_id: UUID, rules: RulesHolder, preferred_currency: str
) -> Quote:
    """What an order would cost now. Nothing is written. Raises: CartEmpty, and what `quote_order` raises."""
    row, lines, products = await queries.read(connection, account_id, wanted)
    if not lines:
        raise CartEmpty
    to = Destination(wanted.ship_to.country, wanted.ship_to.region, wanted.ship_to.postal_code)
    terms = await terms_of(connection, row, rules, to, wanted.shipping_method)
    return quote_order(lines, products, utcnow(), asked=wanted.currency, preferred=preferred_currency, terms=terms)
