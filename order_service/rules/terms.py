"""What the price of an order depends on besides its products, as columns of the statement that reads them."""

from typing import Any

from pydantic import TypeAdapter

from order_service.pricing.places import Destination
from order_service.pricing.promotions import Buyer, Code
from order_service.pricing.rules import Terms
from order_service.rules.holder import RulesHolder
from service_kit.database import AnySession

CODES = TypeAdapter(tuple[Code, ...])

# The key of the customer's e-mail address; NULL: the address is not known.
_CUSTOMER_KEY = """
(SELECT sha256(r.customer_secret || convert_to(lower(a.email), 'UTF8')) FROM commerce_rules r WHERE r.id = 1)
"""
_CODES = """
(SELECT json_agg(json_build_object(
    'code', entered.code, 'promotion_id', c.promotion_id, 'is_limited', c.most IS NOT NULL,
    'is_used_up', coalesce(c.used >= c.most, false) OR coalesce(u.used >= u.most, false),
    'used_by_customer', CASE WHEN a.email IS NOT NULL THEN coalesce(p.used, 0) END
 ) ORDER BY entered.n)
 FROM unnest({entered}) WITH ORDINALITY AS entered (code, n)
 LEFT JOIN promotion_codes c ON c.code = entered.code
 LEFT JOIN promotion_uses u ON u.promotion_id = c.promotion_id
 LEFT JOIN promotion_customers p ON p.promotion_id = c.promotion_id AND p.customer_key = {customer_key})::text
"""
# An index probe each; `account_status` is joined as `a`. The `WHERE` on the one row of the rules makes it a probe too.
_COLUMNS = """
coalesce((SELECT version FROM commerce_rules WHERE id = 1), 0) AS rules_version,
EXISTS (
    SELECT FROM orders WHERE customer_id = :account_id AND status NOT IN ('rejected', 'cancelled', 'expired')
) AS has_ordered,
coalesce(a.groups, '{{}}') AS groups, {codes} AS codes,
{tax_id_is_valid} AS tax_id_is_valid, {customer_key} AS customer_key
"""
PLAIN = _COLUMNS.format(codes="NULL::text", tax_id_is_valid="false", customer_key="NULL::bytea")
"""The columns for an order without codes and without a tax id."""


def with_terms(entered: str) -> str:
    """The columns for an order with codes, or a tax id. `entered`: the codes, as an expression."""
    return _COLUMNS.format(
        codes=_CODES.format(entered=entered, customer_key=_CUSTOMER_KEY),
        tax_id_is_valid="""
        EXISTS (SELECT FROM tax_ids WHERE customer_id = :account_id AND number = :tax_id::text AND state = 'valid')
        """,
        customer_key=_CUSTOMER_KEY,
    )


async def terms_of(
    db: AnySession, row: Any, holder: RulesHolder, to: Destination | None, shipping_method: str | None
) -> Terms:
    """From a row with these columns."""
    return Terms(
        rules=await holder.current(db, row["rules_version"]),
        to=to,
        buyer=Buyer(frozenset(row["groups"]), row["has_ordered"], to.country if to else None),
        codes=CODES.validate_json(row["codes"]) if row["codes"] else (),
        shipping_method=shipping_method,
        tax_id_is_valid=row["tax_id_is_valid"],
    )
