"""Request and response bodies of attributes."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from product_service.attributes.models import Kind
from product_service.text import Storable
from service_kit.schemas import RequestBody, RowOut, examples

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^:\r\n]*$"), Storable
]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Storable]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Labels = Annotated[
    dict[Language, Label],
    Field(max_length=50, description="what customers read, by language tag", examples=[{"en": "Height"}]),
]
Unit = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20), Storable]
Position = Annotated[int, Field(ge=0, le=1_000_000, description="facets are shown in this sequence")]
_IN: dict[str, Any] = {
    "name": "height_mm",
    "kind": "number",
    "unit": "mm",
    "facet": True,
    "position": 20,
    "labels": {"en": "Height", "de": "Höhe"},
}


class AttributeIn(RequestBody):
    model_config = examples(_IN)

    name: Name = Field(description="as in `attributes` of the products; without a colon")
    kind: Kind
    unit: Unit | None = None
    facet: bool = Field(default=True, description="whether lists count the products with each of its values")
    position: Position = 0
    labels: Labels = {}


class AttributeChange(RequestBody):
    """An absent field stays; null removes the unit. Name and kind never change: delete the attribute, and create
    another one."""

    model_config = examples({"position": 10}, {"facet": False})

    unit: Unit | None = None
    facet: bool | None = None
    position: Position | None = None
    labels: Labels | None = None

    @model_validator(mode="after")
    def _required_is_not_null(self) -> "AttributeChange":
        for name in ("facet", "position", "labels"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self


class AttributeOut(RowOut):
    model_config = examples(
        {"id": "0199c1a0-5b00-7a10-8c00-000000000041", **_IN, "version": 1}
        | dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    )

    id: UUID
    name: str
    kind: Kind
    unit: str | None
    facet: bool
    position: int
    labels: dict[str, str]
    version: int
    created_at: datetime
    updated_at: datetime
