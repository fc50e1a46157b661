"""Request and response bodies of related products."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from product_service.products.schemas import ProductOut
from product_service.related.models import LinkKind
from service_kit.schemas import RequestBody, examples


class LinkIn(RequestBody):
    product_id: UUID
    kind: LinkKind


class LinksIn(RequestBody):
    """All links of a product, in the sequence in which they are shown."""

    model_config = examples({"links": []})

    links: Annotated[list[LinkIn], Field(max_length=50)]

    @model_validator(mode="after")
    def _different(self) -> "LinksIn":
        if len({link.product_id for link in self.links}) < len(self.links):
            raise ValueError("links must name different products")
        return self


class Link(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: LinkKind
    product: ProductOut


class RelatedOut(BaseModel):
    """Products on sale that go with one. SQL in `queries.py` writes the response body, which this model documents."""

    model_config = ConfigDict(extra="forbid")

    links: list[Link] = Field(description="those that staff chose, in their sequence")
    bought_together: list[ProductOut] = Field(description="often in the same orders: at most ten, the most often first")
