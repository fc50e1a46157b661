"""Quantities of products, in the lines of events."""

from uuid import UUID

from pydantic import BaseModel, Field


class ProductQuantity(BaseModel, frozen=True):
    """A number of pieces of one product."""

    product_id: UUID
    quantity: int = Field(gt=0)


class LineQuantity(ProductQuantity):
    """A number of pieces of one line of an order."""

    position: int | None = Field(default=None, description="the number of the line, from 1; absent in older events")
