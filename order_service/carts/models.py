"""A cart: its items, and a version that grows with every change; prices and availability are looked up at each read."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow


class Cart(Base, table=True):
    """Whoever changes a customer's items first locks and raises the version here, in the same transaction: so an order
    that is placed from the cart knows that the items are still those that it was priced from."""

    __tablename__ = "carts"

    customer_id: UUID = Field(primary_key=True)
    version: int = Field(sa_type=BigInteger)


class CartItem(Base, table=True):
    __tablename__ = "cart_items"

    customer_id: UUID = Field(primary_key=True)
    product_id: UUID = Field(primary_key=True)
    quantity: int
    added_at: datetime = Field(default_factory=utcnow)
