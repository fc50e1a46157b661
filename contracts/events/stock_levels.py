"""Topic `stock_levels`: how much there is of each product."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.events.base import Event
from contracts.topics import STOCK_LEVELS


class WarehouseStock(BaseModel):
    """What one warehouse holds of the product."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    warehouse_id: UUID
    on_hand: int
    reserved: int
    available: int
    expired: int = Field(default=0, description="of `on_hand`, pieces that have expired, which are not available")


class StockChanged(
    Event,
    type="mart.stock.changed.v1",
    topic=STOCK_LEVELS,
    source="/inventory_service",
    key="product_id",
    subject="product_id",
):
    """The latest level of a product, in sum and by warehouse; said by inventory at once, then once a second at most.

    `available` counts neither what is reserved nor what has expired."""

    product_id: UUID
    on_hand: int
    reserved: int
    available: int
    warehouses: list[WarehouseStock]
    expired: int = 0
