"""Every statement about the copy of the catalogue."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlmodel import col, select

from inventory_service.catalogue.models import DELETED, Product
from service_kit.database import Session, Transaction

REMEMBER = """
INSERT INTO products AS known (product_id, sku, name, status, version)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[])
ON CONFLICT (product_id) DO UPDATE
SET sku = coalesce(nullif(excluded.sku, ''), known.sku), name = coalesce(nullif(excluded.name, ''), known.name),
    status = excluded.status, version = excluded.version
WHERE known.version < excluded.version
"""


class Snapshot(NamedTuple):
    product_id: UUID
    sku: str
    name: str
    status: str
    version: int


async def remember(tx: Transaction, snapshots: Sequence[Snapshot]) -> None:
    """Takes over what is newer, from one snapshot of each product."""
    await tx.execute(REMEMBER, *(list(column) for column in zip(*snapshots, strict=True)))


async def statuses(tx: Transaction, product_ids: Collection[UUID]) -> dict[UUID, str]:
    rows = await tx.fetch("SELECT product_id, status FROM products WHERE product_id = ANY($1::uuid[])", product_ids)
    return {row["product_id"]: row["status"] for row in rows}


async def by_ids(tx: Session, product_ids: Collection[UUID]) -> dict[UUID, Product]:
    rows = await tx.exec(select(Product).where(col(Product.product_id).in_(product_ids)))
    return {product.product_id: product for product in rows}


def deleted(product_id: UUID, version: int) -> Snapshot:
    """Without the names, which the row keeps: its stock and ledger go on being shown with them."""
    return Snapshot(product_id, "", "", DELETED, version)
