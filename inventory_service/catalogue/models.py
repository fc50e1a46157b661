"""A copy of the catalogue: the data of products that this service needs, updated by events of the topic `products`."""

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
    """A product. The row of a deleted one stays, with the status `deleted`, so that no older event restores it."""

    __tablename__ = "products"

    product_id: UUID = Field(primary_key=True)
    sku: str
    name: str
    status: str
    version: int = Field(sa_type=BigInteger)
