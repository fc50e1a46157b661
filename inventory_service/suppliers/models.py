"""Suppliers, from whom the shop buys its stock."""

from sqlalchemy import Index

from inventory_service.records import Record
from service_kit.problems import Problem


class SupplierInUse(Problem, status=409, type="supplier-in-use"):
    """Goods were received from this supplier, and the receipts stay: it can't be deleted."""


class Supplier(Record, table=True):
    __tablename__ = "suppliers"
    __table_args__ = (Index("ix_suppliers_name_id", "name", "id"),)
    in_use = SupplierInUse

    name: str
    email: str | None = None
    phone: str | None = None
