"""The version of the rules."""

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary
from sqlmodel import Field

from order_service.base import Base


class CommerceRules(Base, table=True):
    """One row. Triggers raise `version` in every transaction that changes a tax, a shipping method or a promotion.

    `customer_secret` keys the hashes by which promotions recognise customers.
    """

    __tablename__ = "commerce_rules"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(default=1, primary_key=True, sa_column_kwargs={"autoincrement": False})
    version: int = Field(sa_type=BigInteger)
    customer_secret: bytes = Field(sa_type=LargeBinary)
