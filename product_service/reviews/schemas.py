"""Request and response bodies of reviews."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from product_service.reviews.models import ReviewStats, ReviewStatus
from product_service.text import Line, Storable
from service_kit.http.pagination import Page
from service_kit.schemas import RequestBody, RowOut, examples

_ID = "0199c1a0-5b00-7a10-8c00-000000000051"
_IN: dict[str, Any] = {
    "rating": 5,
    "title": "Still shining",
    "text": "Bought two winters ago, and not a scratch.",
    "author": "Ada K.",
}
Rating = Annotated[int, Field(ge=1, le=5, description="stars")]
ReviewText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000), Storable]
ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), Storable]


class ReviewIn(RequestBody):
    model_config = examples(_IN)

    rating: Rating
    title: Line | None = None
    text: ReviewText | None = None
    author: Line | None = Field(default=None, description="the name to be shown; null: none is shown")


class ReviewChange(RequestBody):
    """An absent field stays; null removes it. The changed review is not shown before staff have decided again."""

    model_config = examples({"rating": 4})

    rating: Rating | None = None
    title: Line | None = None
    text: ReviewText | None = None
    author: Line | None = None

    @model_validator(mode="after")
    def _rating_is_never_null(self) -> Self:
        if "rating" in self.model_fields_set and self.rating is None:
            raise ValueError("rating must not be null")
        return self


class Rejection(RequestBody):
    model_config = examples({"reason": "Please write about the product, not about the parcel."})

    reason: ShortText = Field(description="shown to the author")


class Reply(RequestBody):
    model_config = examples({"text": "Thank you! The glass can be had alone, too."}, {"text": None})

    text: ReviewText | None = Field(description="shown below the review; null: none")


class PublishedReview(RowOut):
    """A review as everybody sees it."""

    model_config = examples(
        {"id": _ID, "product_id": _ID, **_IN, "verified": True, "reply": None, "created_at": "2026-01-02T00:00:00Z"}
    )

    id: UUID
    product_id: UUID = Field(description="the reviewed product; of a family, it may be another of its products")
    rating: int
    title: str | None
    text: str | None
    author: str | None
    verified: bool = Field(description="whether the author had received the product when the review was decided")
    reply: str | None = Field(description="by the shop")
    created_at: datetime


class ReviewOut(PublishedReview):
    """A review as its author and staff see it."""

    reviewed_id: UUID = Field(description="the family that it is about, or the product")
    status: ReviewStatus
    reason: str | None = Field(description="why it was rejected")
    version: int
    updated_at: datetime


class RatingOut(BaseModel):
    average: Decimal | None = Field(description="of all published reviews, with two decimals; null: there is none")
    count: int
    stars: dict[int, int] = Field(description="how many reviews have each number of stars")

    @classmethod
    def of(cls, stats: ReviewStats) -> Self:
        stars = {number: getattr(stats, f"stars_{number}") for number in range(1, 6)}
        count = sum(stars.values())
        total = sum(number * each for number, each in stars.items())
        return cls(average=round(Decimal(total) / count, 2) if count else None, count=count, stars=stars)


class ReviewPage(Page[PublishedReview]):
    rating: RatingOut
