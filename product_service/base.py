"""What the tables of this service stand on; apart from models.py, so that the domains can import it."""

from sqlmodel import SQLModel

from service_kit.database import service_registry


class Base(SQLModel, registry=service_registry()):
    """The product service's tables, and no others, are in this metadata."""
