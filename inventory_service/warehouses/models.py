"""Warehouses, which keep stock and send parcels."""

from typing import Any

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from inventory_service.records import Record
from service_kit.problems import Problem


class WarehouseCodeTaken(Problem, status=409, type="warehouse-code-taken"):
    """Another warehouse has the code {code} already."""


class WarehouseInUse(Problem, status=409, type="warehouse-in-use"):
    """Stock was booked in this warehouse, and its ledger stays: it can't be deleted."""


class Warehouse(Record, table=True):
    __tablename__ = "warehouses"
    in_use = WarehouseInUse

    code: str = Field(unique=True)
    name: str
    address: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))

    def conflict(self) -> Problem:
        return WarehouseCodeTaken(code=self.code)
