"""What customers have ordered, for reviews of those who bought a product and for products that are bought together."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from product_service.base import Base


class Purchase(Base, table=True):
    """A product in an order. It has no foreign key, since the order may be older than a restored product.

    The rows of an order that ends without goods are deleted. `delivered_at` is null until the last parcel is delivered,
    and again once all goods are returned.
    """

    __tablename__ = "purchases"
    __table_args__ = (
        Index("ix_purchases_customer_id", "customer_id", "product_id"),
        Index("ix_purchases_product_id", "product_id", "ordered_at"),
    )

    order_id: UUID = Field(primary_key=True)
    product_id: UUID = Field(primary_key=True)
    customer_id: UUID | None = Field(default=None, description="null: the account was erased")
    quantity: int
    ordered_at: datetime
    delivered_at: datetime | None = None
