"""The statements that read past orders, and the products of a cart, for previews."""

from collections.abc import Collection, Mapping
from uuid import UUID

from order_service.catalogue.models import Product
from service_kit.database import Session, Statement

# Their facts are those of today: an order doesn't store them.
LAST_ORDERS = Statement("""
SELECT o.id AS order_id, o.number::text AS number, o.currency, o.ship_to, o.shipping->>'code' AS shipping_method,
       EXISTS (SELECT FROM orders e WHERE e.customer_id = o.customer_id AND e.id < o.id
               AND e.status NOT IN ('rejected', 'cancelled', 'expired')) AS has_ordered,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'product_id', l.product_id, 'sku', l.sku, 'name', l.name, 'quantity', l.quantity,
            'unit_price', l.unit_price, 'facts', coalesce(p.facts, '{}')
        ) ORDER BY l.position), '[]')
        FROM order_lines l LEFT JOIN catalogue_products p ON p.product_id = l.product_id
        WHERE l.order_id = o.id) AS lines,
       (SELECT coalesce(jsonb_object_agg(r.promotion_id, r.code), '{}') FROM redemptions r
        WHERE r.order_id = o.id) AS codes
FROM (SELECT * FROM orders WHERE status NOT IN ('rejected', 'cancelled', 'expired') ORDER BY id DESC LIMIT :count) AS o
ORDER BY o.id DESC
""")
PRODUCTS = Statement("""
SELECT product_id, sku, name, status, prices::text AS prices, facts::text AS facts FROM catalogue_products
WHERE product_id = ANY(:product_ids::uuid[])
""")


async def products(tx: Session, product_ids: Collection[UUID]) -> Mapping[UUID, Product]:
    found = await PRODUCTS.fetch(tx, product_ids=list(product_ids))
    return {row.product_id: Product.of(row._mapping) for row in found}
