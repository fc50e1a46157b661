"""A supplier: whom stock comes from."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from inventory_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class SupplierInUse(Problem, status=409, type="supplier-in-use"):
    """Goods were received from this supplier, and the receipts stay: it can't be deleted."""


class Supplier(Base, table=True):
    __tablename__ = "suppliers"
    __table_args__ = (Index("ix_suppliers_name_id", "name", "id"),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str
    email: str | None = None
    phone: str | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)

    def change(self, **fields: object) -> None:
        """Takes over the fields that differ; the version grows if any did."""
        changed = {name: value for name, value in fields.items() if getattr(self, name) != value}
        for name, value in changed.items():
            setattr(self, name, value)
        self.version += bool(changed)
