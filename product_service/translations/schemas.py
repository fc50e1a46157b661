"""Request and response bodies of translations."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from product_service.products.schemas import OptionName, OptionValue, Seo
from product_service.text import Line, Paragraphs
from service_kit.schemas import RequestBody, RowOut, examples


class ProductTexts(RequestBody):
    """An absent or null text is shown in the main language."""

    model_config = examples({"name": "Teelichthalter Herz, weiß", "description": "Aus lackiertem Metall."})

    name: Line | None = None
    description: Paragraphs | None = None
    seo: Seo | None = None


class FamilyTexts(RequestBody):
    """An absent or null text is shown in the main language. `labels`: names and values of options, by the original."""

    model_config = examples({"name": "Schürze", "labels": {"colour": "Farbe", "blue": "blau"}})

    name: Line | None = None
    description: Paragraphs | None = None
    labels: Annotated[dict[OptionName, OptionValue], Field(max_length=300)] = {}


class CollectionTexts(RequestBody):
    """An absent or null text is shown in the main language."""

    model_config = examples({"name": "Zum ersten Frost"})

    name: Line | None = None
    description: Paragraphs | None = None


class CategoryTexts(RequestBody):
    model_config = examples({"name": "Kerzen und Lichter"})

    name: Line


class TranslationOut(RowOut):
    locale: Annotated[str, StringConstraints()]
    fields: dict[str, Any] = Field(description="the texts, as they were sent")
    version: int
    updated_at: datetime


class Translations(BaseModel):
    items: list[TranslationOut]
