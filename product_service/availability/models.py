"""Our copy of how much there is of each product."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field

from product_service.base import Base


class Availability(Base, table=True):
    """As inventory last said. No foreign key: a level may come before, or without, a product of ours."""

    __tablename__ = "availability"

    product_id: UUID = Field(primary_key=True)
    on_hand: int = Field(sa_type=BigInteger)
    reserved: int = Field(sa_type=BigInteger)
    available: int = Field(sa_type=BigInteger)
    version: int = Field(sa_type=BigInteger)
    updated_at: datetime
