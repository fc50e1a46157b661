"""A cart is its items; prices and availability are looked up when it is read."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow


class CartItem(Base, table=True):
    __tablename__ = "cart_items"

    user_id: UUID = Field(primary_key=True)
    product_id: UUID = Field(primary_key=True)
    quantity: int
    added_at: datetime = Field(default_factory=utcnow)
