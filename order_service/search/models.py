"""What orders are found by, beside the columns of `orders`: filled by a job, so that placing an order costs no more."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, literal_column
from sqlmodel import Field

from order_service.base import Base

RECIPIENT = "fold(recipient)"
"""The indexed expression that a search for a name uses. Migration 0111 creates `fold`: without case and accents."""


class OrderSearch(Base, table=True):
    """An order as searches find it. `recipient` and `country` follow its shipping address; the rest never changes."""

    __tablename__ = "order_search"
    __table_args__ = (
        Index(
            "ix_order_search_recipient",
            literal_column(RECIPIENT).label("searched"),
            postgresql_using="gin",
            postgresql_ops={"searched": "gin_trgm_ops"},
        ),
        Index("ix_order_search_country_order_id", "country", "order_id"),
        Index("ix_order_search_currency_total", "currency", "total", "order_id"),
    )

    order_id: UUID = Field(primary_key=True)
    recipient: str | None = Field(default=None, description="the name in the shipping address; null: erased")
    country: str
    currency: str
    total: int = Field(sa_type=BigInteger)
