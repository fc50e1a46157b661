"""A cart: its items, and a version that grows with every change; prices and availability are looked up at each read."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, Text
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow


class Cart(Base, table=True):
    """Each change of a customer's items first locks this row and raises its version, in the same transaction. An order
    placed from the cart checks the version, and so has the items that it was priced from."""

    __tablename__ = "carts"

    customer_id: UUID = Field(primary_key=True)
    version: int = Field(sa_type=BigInteger)
    codes: list[str] = Field(
        default_factory=list,
        sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"),
        description="codes of promotions that were entered",
    )


class CartItem(Base, table=True):
    __tablename__ = "cart_items"

    customer_id: UUID = Field(primary_key=True)
    product_id: UUID = Field(primary_key=True)
    quantity: int
    added_at: datetime = Field(default_factory=utcnow)
