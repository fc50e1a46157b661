"""The base class of this service's tables. It is apart from models.py, which imports the domains that import this."""

from sqlmodel import SQLModel

from service_kit.database import service_registry


class Base(SQLModel, registry=service_registry()):
    """The inventory service's tables, and no others, are in this metadata."""
