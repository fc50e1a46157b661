"""The preferences of customers."""

from uuid import UUID

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from notification_service.base import Base


class Preferences(Base, table=True):
    """The kinds of notifications that a customer does not want. Without a row, everything is sent."""

    __tablename__ = "preferences"

    customer_id: UUID = Field(primary_key=True)
    email_off: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))
    """The kinds that are not sent by e-mail."""
    version: int = 0
