"""Request and response bodies of synonyms."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from product_service.text import Storable
from service_kit.schemas import RequestBody, RowOut, examples

Word = Annotated[str, StringConstraints(pattern=r"^\w+$", max_length=40), Storable]
Phrase = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\r\n]*$"), Storable
]
Words = Annotated[list[Word], Field(min_length=1, max_length=20, description="single words, without blanks")]
Also = Annotated[
    list[Phrase],
    Field(max_length=20, description="words or phrases that a search for one of `words` finds too, but not vice versa"),
]
_GROUP: dict[str, Any] = {"words": ["couch", "sofa", "settee"], "also": []}
_ONE_WAY: dict[str, Any] = {"words": ["crockery"], "also": ["plate", "cup", "tea set"]}


class SynonymIn(RequestBody):
    """Without `also`, the words are a group: a search for one finds all of them."""

    model_config = examples(_GROUP, _ONE_WAY)

    words: Words
    also: Also = []

    @model_validator(mode="after")
    def _has_something_to_find(self) -> "SynonymIn":
        if len(self.words) == 1 and not self.also:
            raise ValueError("one word alone has no synonym: add words, or what it finds in `also`")
        return self


class SynonymOut(RowOut):
    model_config = examples(
        {"id": "0199c1a0-5b00-7a10-8c00-000000000051", **_GROUP, "version": 1}
        | dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    )

    id: UUID
    words: list[str] = Field(description="without case and accents, as they are compared")
    also: list[str]
    version: int
    created_at: datetime
    updated_at: datetime
