"""The base class of this service's tables. It is not in models.py, because that imports the domains, which need it."""

from sqlmodel import SQLModel

from service_kit.database import service_registry


class Base(SQLModel, registry=service_registry()):
    """The product service's tables, and no others, are in this metadata."""
