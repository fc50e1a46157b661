"""Request and response bodies of categories."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from product_service.categories.models import Category
from product_service.text import Line
from service_kit.schemas import RequestBody, RowOut, examples

EXAMPLE_ID = "0199c1a0-5b00-7a10-8c00-000000000003"


class CategoryIn(RequestBody):
    model_config = examples({"name": "Candles & lights"})

    name: Line
    parent_id: UUID | None = Field(default=None, description="the parent category; null: at the top level")


class CategoryChange(RequestBody):
    """An absent field is not changed. `parent_id: null` moves the category to the top level."""

    model_config = examples({"name": "Candles"}, {"parent_id": EXAMPLE_ID})

    name: Line | None = None
    parent_id: UUID | None = None

    @model_validator(mode="after")
    def _name_is_never_null(self) -> "CategoryChange":
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("name must not be null")
        return self


class CategoryOut(RowOut):
    model_config = examples(
        {
            "id": EXAMPLE_ID,
            "parent_id": None,
            "name": "Candles & lights",
            "slug": "candles-lights",
            "version": 1,
            "created_at": "2026-01-01T00:00:00Z",
        }
    )

    id: UUID
    parent_id: UUID | None
    name: str
    slug: str
    version: int
    created_at: datetime


class CategoryNode(BaseModel):
    """A category with its descendants. Each level is sorted by name."""

    id: UUID
    name: str
    slug: str
    children: list["CategoryNode"]


class CategoryTree(BaseModel):
    items: list[CategoryNode]

    @classmethod
    def of(cls, categories: Sequence[Category], texts: Mapping[UUID, Mapping[str, Any]]) -> "CategoryTree":
        """Each level keeps the order of `categories`. `texts`: the translated ones."""
        nodes = {
            each.id: CategoryNode(
                id=each.id, name=texts.get(each.id, {}).get("name", each.name), slug=each.slug, children=[]
            )
            for each in categories
        }
        tree = cls(items=[])
        for each in categories:
            siblings = nodes[each.parent_id].children if each.parent_id else tree.items
            siblings.append(nodes[each.id])
        return tree
