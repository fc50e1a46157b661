"""Collections: products that staff show together, whatever their categories are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, Uuid
from sqlmodel import Field

from product_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem

MAX_PRODUCTS = 1000


class CollectedProductUnknown(Problem, status=409, type="collected-product-unknown"):
    """There are no products with these ids: `product_ids` names them."""


class Collection(Base, table=True):
    """`published`: visitors see it."""

    __tablename__ = "collections"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str
    slug: str = Field(unique=True)
    description: str | None = None
    published: bool = False
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    updated_at: datetime = Field(default_factory=utcnow)


class CollectedProduct(Base, table=True):
    """A product of a collection, at its place among them."""

    __tablename__ = "collection_products"
    __table_args__ = (
        Index("uq_collection_products_position", "collection_id", "position", unique=True),
        Index("ix_collection_products_product_id", "product_id"),
    )

    collection_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
    )
    product_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True))
    position: int
