"""Texts of products, families, categories and collections in other languages than that of their main texts."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from product_service.base import Base
from service_kit.clock import utcnow


class Entity(StrEnum):
    PRODUCT = "product"
    FAMILY = "family"
    CATEGORY = "category"
    COLLECTION = "collection"


class Translation(Base, table=True):
    """`fields`: the translated texts by the name of their field. What is missing is shown in the main language."""

    __tablename__ = "translations"
    __table_args__ = (CheckConstraint("entity IN ('product', 'family', 'category', 'collection')", name="entity"),)

    entity: str = Field(primary_key=True)
    entity_id: UUID = Field(primary_key=True)
    locale: str = Field(primary_key=True)
    fields: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    version: int = 1
    updated_at: datetime = Field(default_factory=utcnow)
