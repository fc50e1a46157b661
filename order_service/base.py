"""What all domains of this service stand on: the base of its tables, and how large an order may be."""

from sqlmodel import SQLModel

from service_kit.database import service_registry

MAX_LINES = 2_000
MAX_QUANTITY = 1_000_000


class Base(SQLModel, registry=service_registry()):
    """The order service's tables, and no others, are in this metadata."""
