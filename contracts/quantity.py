"""How many of what: the lines of requests to inventory and of parcels."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class ProductQuantity(BaseModel):
    """So many pieces of one product."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product_id: UUID
    quantity: int = Field(gt=0)


class LineQuantity(ProductQuantity):
    """So many pieces of one of an order's lines."""

    position: int | None = Field(default=None, description="the order's line, from 1; absent in older events")
