"""Notes and tags of orders: tables of their own, so that they change neither the order nor its version."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7

MAX_TAG = 50


def normal_tag(text: str) -> str:
    """The form in which tags are stored and looked up."""
    return text.strip().lower()


class OrderTags(Base, table=True):
    """All tags of an order, sorted. `version` grows with every change, for `If-Match`."""

    __tablename__ = "order_tags"
    __table_args__ = (Index("ix_order_tags_tags", "tags", postgresql_using="gin"),)

    order_id: UUID = Field(primary_key=True, foreign_key="orders.id")
    tags: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    version: int


class OrderNote(Base, table=True):
    """A note is never changed; it is deleted when the order's account is erased."""

    __tablename__ = "order_notes"
    __table_args__ = (Index("ix_order_notes_order_id_id", "order_id", "id"),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    order_id: UUID = Field(foreign_key="orders.id")
    author_id: UUID
    text: str
    created_at: datetime = Field(default_factory=utcnow)
