"""A copy of the catalogue: the part of a product that this service needs, kept up to date by the topic `products`."""

from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field

from inventory_service.base import Base
from service_kit.problems import Problem

DELETED = "deleted"


class ProductUnknown(Problem, status=409, type="product-unknown"):
    """Inventory does not know the products in `product_ids` yet: if they are new, try again shortly."""


class ProductDeleted(Problem, status=409, type="product-deleted"):
    """The products in `product_ids` were deleted from the catalogue."""


class Product(Base, table=True):
    """The row of a deleted product stays, with the status `deleted`, so that an older event cannot restore it."""

    __tablename__ = "products"

    product_id: UUID = Field(primary_key=True)
    sku: str
    name: str
    status: str
    version: int = Field(sa_type=BigInteger)
