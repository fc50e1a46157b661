"""The registry of attributes: which of the products' attributes can be filtered by, and are counted as facets."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from product_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem

MAX_ATTRIBUTES = 200


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"


class AttributeExists(Problem, status=409, type="attribute-exists"):
    """There is an attribute named {name} already: change that one."""


class TooManyAttributes(Problem, status=409, type="too-many-attributes"):
    """There can be {limit} attributes at most: delete one that is not used."""


class Attribute(Base, table=True):
    """`name`: the name in `attributes` of products. `labels`: what customers read, by language."""

    __tablename__ = "attributes"
    __table_args__ = (
        CheckConstraint("kind IN ('text', 'number', 'boolean')", name="kind"),
        Index("ix_attributes_position_id", "position", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str = Field(unique=True)
    kind: str
    unit: str | None = None
    facet: bool = True
    position: int = 0
    labels: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    updated_at: datetime = Field(default_factory=utcnow)
