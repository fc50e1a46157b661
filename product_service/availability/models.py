"""The copy of the stock levels of the inventory service."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field

from product_service.base import Base


class Availability(Base, table=True):
    """The newest known level of a product. It has no foreign key, since it may arrive before its product."""

    __tablename__ = "availability"

    product_id: UUID = Field(primary_key=True)
    on_hand: int = Field(sa_type=BigInteger)
    reserved: int = Field(sa_type=BigInteger)
    available: int = Field(sa_type=BigInteger)
    version: int = Field(sa_type=BigInteger)
    updated_at: datetime
