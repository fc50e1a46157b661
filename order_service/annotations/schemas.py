"""Bodies of requests and responses about notes and tags."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from order_service.annotations.models import MAX_TAG, normal_tag
from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.text import Printable, Trimmed

Tag = Annotated[str, Trimmed(MAX_TAG), Printable, AfterValidator(normal_tag)]


class TagsIn(RequestBody):
    model_config = examples({"tags": ["gift", "call before delivery"]})

    tags: list[Tag] = Field(max_length=20, description="all of them; case makes no difference")


class TagsOut(BaseModel):
    tags: list[str] = Field(description="in lower case, sorted")


class NoteIn(RequestBody):
    model_config = examples({"text": "The customer called: the parcel may be left with the neighbour."})

    text: str = Field(min_length=1, max_length=2_000, description="for staff alone")


class NoteOut(RowOut):
    id: UUID
    order_id: UUID
    author_id: UUID
    text: str
    created_at: datetime
