"""The statements that read what a quote needs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from order_service.catalogue.models import Product
from order_service.orders.schemas import OrderIn
from order_service.pricing.quotes import OrderedItem
from order_service.quotes.schemas import QuotedLine, QuoteIn
from order_service.rules.terms import with_terms
from service_kit.database import Connection, Statement, Transaction

_READ = """
SELECT {terms}, {wanted}.product_id, {quantity} AS quantity, p.sku, p.name, p.status, p.prices::text AS prices,
       p.facts::text AS facts
FROM (SELECT) AS one
LEFT JOIN account_status a ON a.user_id = :account_id
"""
READ = Statement(
    _READ.format(terms=with_terms(":codes::text[]"), wanted="p", quantity="NULL::int")
    + "LEFT JOIN catalogue_products p ON p.product_id = ANY(:product_ids::uuid[])"
)
_CART_CODES = "coalesce(:codes::text[], (SELECT codes FROM carts WHERE customer_id = :account_id))"
READ_CART = Statement(
    _READ.format(terms=with_terms(_CART_CODES), wanted="c", quantity="c.quantity")
    + """
LEFT JOIN cart_items c ON c.customer_id = :account_id
LEFT JOIN catalogue_products p ON p.product_id = c.product_id
ORDER BY c.added_at, c.product_id
"""
)


async def read(
    connection: Connection | Transaction, account_id: UUID, wanted: QuoteIn | OrderIn
) -> tuple[Any, Sequence[OrderedItem], dict[UUID, Product]]:
    """A row with the columns of `rules.terms`, the lines that are quoted, and their products."""
    values: dict[str, Any] = {"account_id": account_id, "codes": wanted.codes, "tax_id": wanted.tax_id}
    if wanted.lines is None:
        found = await READ_CART.fetch(connection, **values)
        lines: Sequence[OrderedItem] = [
            QuotedLine(product_id=row["product_id"], quantity=row["quantity"]) for row in found if row["quantity"]
        ]
    else:
        lines = wanted.lines
        product_ids = list({line.product_id for line in lines})
        found = await READ.fetch(connection, **values | {"codes": wanted.codes or []}, product_ids=product_ids)
    return found[0], lines, {row["product_id"]: Product.of(row) for row in found if row["sku"] is not None}
