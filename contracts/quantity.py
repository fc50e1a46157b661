"""Quantities of products: the lines of requests to inventory and of shipments."""

from uuid import UUID

from pydantic import BaseModel, Field


class ProductQuantity(BaseModel, frozen=True):
    """A number of pieces of one product."""

    product_id: UUID
    quantity: int = Field(gt=0)


class LineQuantity(ProductQuantity):
    """A number of pieces of one line of an order."""

    position: int | None = Field(default=None, description="the order's line, from 1; absent in older events")
