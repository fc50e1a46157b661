"""A warehouse: a place where stock lies and parcels leave from."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from inventory_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class WarehouseCodeTaken(Problem, status=409, type="warehouse-code-taken"):
    """Another warehouse has the code {code} already."""


class WarehouseInUse(Problem, status=409, type="warehouse-in-use"):
    """Stock was booked in this warehouse, and its ledger stays: it can't be deleted."""


class Warehouse(Base, table=True):
    __tablename__ = "warehouses"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    code: str = Field(unique=True)
    name: str
    address: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)

    def change(self, **fields: object) -> None:
        """Takes over the fields that differ; the version grows if any did."""
        changed = {name: value for name, value in fields.items() if getattr(self, name) != value}
        for name, value in changed.items():
            setattr(self, name, value)
        self.version += bool(changed)
