"""Every statement about the copy of the catalogue."""

from collections.abc import Collection
from uuid import UUID

from sqlmodel import col, select

from inventory_service.catalogue.models import Product
from service_kit.database import Session, Statement, insert

# A row set may contain each product only once, since one statement can't update a row twice by ON CONFLICT.
STORE_NEWER = Statement(f"""
{insert("snapshots", Product)}
ON CONFLICT (product_id) DO UPDATE
SET sku = coalesce(nullif(excluded.sku, ''), products.sku), name = coalesce(nullif(excluded.name, ''), products.name),
    status = excluded.status, version = excluded.version
WHERE products.version < excluded.version
""")
STATUSES = Statement("SELECT product_id, status FROM products WHERE product_id = ANY(:product_ids::uuid[])")


async def by_ids(tx: Session, product_ids: Collection[UUID]) -> dict[UUID, Product]:
    rows = await tx.exec(select(Product).where(col(Product.product_id).in_(product_ids)))
    return {product.product_id: product for product in rows}
