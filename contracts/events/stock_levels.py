"""Topic `stock_levels`: the stock level of each product."""

from uuid import UUID

from pydantic import BaseModel, Field

from contracts.events.base import Event
from contracts.topics import STOCK_LEVELS


class WarehouseStock(BaseModel, frozen=True):
    """The stock of a product in one warehouse."""

    warehouse_id: UUID
    on_hand: int
    reserved: int
    available: int
    expired: int = Field(default=0, description="how many of `on_hand` have expired, and so are not available")


class StockChanged(
    Event,
    type="mart.stock.changed.v1",
    topic=STOCK_LEVELS,
    source="/inventory_service",
    key="product_id",
    subject="product_id",
):
    """The current level of a product, in total and by warehouse; published by inventory at most once a second.

    `available` excludes reserved and expired pieces."""

    product_id: UUID
    on_hand: int
    reserved: int
    available: int
    warehouses: list[WarehouseStock]
    expired: int = 0
