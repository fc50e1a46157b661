"""Request and response bodies of collections."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator

from product_service.collections.models import MAX_PRODUCTS
from product_service.text import Line, Paragraphs
from service_kit.schemas import RequestBody, RowOut, examples

_ID = "0199c1a0-5b00-7a10-8c00-000000000061"
_IN: dict[str, Any] = {"name": "For the first frost", "description": "Warm light, warm hands.", "published": True}


class CollectionIn(RequestBody):
    model_config = examples(_IN)

    name: Line
    description: Paragraphs | None = None
    published: bool = Field(default=False, description="whether visitors see it")


class CollectionChange(RequestBody):
    """An absent field stays; null removes `description`."""

    model_config = examples({"published": False})

    name: Line | None = None
    description: Paragraphs | None = None
    published: bool | None = None

    @model_validator(mode="after")
    def _required_is_not_null(self) -> Self:
        for name in ("name", "published"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self


class ProductsIn(RequestBody):
    """All products of a collection, in the sequence in which they are shown."""

    model_config = examples({"product_ids": ["0199c1a0-5b00-7a10-8c00-000000000002"]})

    product_ids: Annotated[list[UUID], Field(max_length=MAX_PRODUCTS)]

    @model_validator(mode="after")
    def _different(self) -> Self:
        if len(set(self.product_ids)) < len(self.product_ids):
            raise ValueError("product_ids must be different")
        return self


class CollectionOut(RowOut):
    model_config = examples(
        {"id": _ID, "slug": "for-the-first-frost", **_IN, "version": 1}
        | dict.fromkeys(("created_at", "updated_at"), "2026-11-01T00:00:00Z")
    )

    id: UUID
    name: str
    slug: str
    description: str | None
    published: bool
    version: int
    created_at: datetime
    updated_at: datetime
