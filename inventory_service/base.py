"""The base class of this service's tables. It is not in models.py, which imports the domains that import this."""

from sqlmodel import SQLModel

from service_kit.database import service_registry


class Base(SQLModel, registry=service_registry()):
    """A base with metadata of its own, which only has the tables of the inventory service."""
