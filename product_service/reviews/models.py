"""Reviews of products by customers, and the rules of their moderation."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Computed, Index, Integer, UniqueConstraint
from sqlmodel import Field

from product_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class ReviewExists(Problem, status=409, type="review-exists"):
    """You have reviewed this product, or another of its family, already: change that review."""


class ReviewDecided(Problem, status=409, type="review-decided"):
    """The review is {review_status}: its author has withdrawn it, so there is nothing to decide."""


class NotBought(Problem, status=409, type="not-bought"):
    """Only customers who have received this product, or another of its family, can review it."""


class ReviewStatus(StrEnum):
    PENDING = "pending"
    PUBLISHED = "published"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Review(Base, table=True):
    """`reviewed_id`: the product's family, or the product if it had none when the review was written. `verified`: the
    author had received a product of the subject when the review was written or decided last.

    `author_id` is null once the account is erased. `author` is the name that the author wants to be shown.
    """

    __tablename__ = "reviews"
    __table_args__ = (
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        CheckConstraint("status IN ('pending', 'published', 'rejected', 'withdrawn')", name="status"),
        UniqueConstraint("reviewed_id", "author_id"),
        Index("ix_reviews_reviewed_id_status_id", "reviewed_id", "status", "id"),
        Index("ix_reviews_status_id", "status", "id"),
        Index("ix_reviews_author_id", "author_id", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    reviewed_id: UUID
    product_id: UUID
    author_id: UUID | None
    author: str | None = None
    rating: int
    title: str | None = None
    text: str | None = None
    status: str = ReviewStatus.PENDING
    verified: bool = False
    reason: str | None = Field(default=None, description="why it was rejected; its author sees it")
    reply: str | None = Field(default=None, description="by the shop, shown below the review")
    decided_by: UUID | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    updated_at: datetime = Field(default_factory=utcnow)

    @property
    def counts(self) -> bool:
        return self.status == ReviewStatus.PUBLISHED

    def edit(self, fields: dict[str, Any]) -> None:
        """A changed review has to be decided again; a withdrawn one is submitted again."""
        self.sqlmodel_update(fields)
        self._become(ReviewStatus.PENDING, reason=None, decided_by=None)

    def withdraw(self) -> None:
        self._become(ReviewStatus.WITHDRAWN)

    def decide(self, status: ReviewStatus, by: UUID, reason: str | None = None) -> None:
        """A decision may be reversed by another. Raises: ReviewDecided."""
        if self.status == ReviewStatus.WITHDRAWN:
            raise ReviewDecided(review_status=self.status)
        if (self.status, self.reason) != (status, reason):
            self._become(status, reason=reason, decided_by=by)

    def answer(self, text: str | None) -> None:
        self._become(ReviewStatus(self.status), reply=text)

    def _become(self, status: ReviewStatus, **fields: Any) -> None:
        self.sqlmodel_update({"status": status, "version": self.version + 1, "updated_at": utcnow(), **fields})


class ReviewStats(Base, table=True):
    """How many published reviews of a subject have each number of stars."""

    __tablename__ = "review_stats"
    __table_args__ = (
        CheckConstraint("least(stars_1, stars_2, stars_3, stars_4, stars_5) >= 0", name="stars"),
        # For the body of a product, which is read often.
        Column("count", Integer, Computed("stars_1 + stars_2 + stars_3 + stars_4 + stars_5", persisted=True)),
        Column(
            "total",
            Integer,
            Computed("stars_1 + 2 * stars_2 + 3 * stars_3 + 4 * stars_4 + 5 * stars_5", persisted=True),
        ),
    )
    __mapper_args__: ClassVar = {"exclude_properties": ["count", "total"]}

    reviewed_id: UUID = Field(primary_key=True)
    stars_1: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    stars_2: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    stars_3: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    stars_4: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    stars_5: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
