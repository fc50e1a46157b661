"""Customers write, change and withdraw reviews; staff publish and reject them, and reply."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from product_service.products.models import Product
from product_service.reviews import queries
from product_service.reviews.models import NotBought, Review, ReviewExists
from service_kit.concurrency import Expected, flush
from service_kit.database import Session
from service_kit.problems import not_found


async def create(
    tx: Session, product_id: UUID, author_id: UUID, fields: dict[str, Any], *, only_verified: bool
) -> Review:
    """Raises: NotFound, NotBought, ReviewExists."""
    reviewed_id = await queries.subject(tx, product_id, hidden_too=False) or not_found(Product, product_id)
    review = Review(reviewed_id=reviewed_id, product_id=product_id, author_id=author_id, **fields)
    review.verified = await queries.has_bought(tx, author_id, reviewed_id)
    if only_verified and not review.verified:
        raise NotBought
    known = await queries.of_author(tx, reviewed_id, author_id)
    exists = ReviewExists(review_id=str(known.id) if known else None)
    if known is not None:
        raise exists
    tx.add(review)
    await flush(tx, exists)
    return review


async def change(tx: Session, review_id: UUID, author_id: UUID, expected: Expected, fields: dict[str, Any]) -> Review:
    """Raises: NotFound, PreconditionFailed."""
    review = await _lock_own(tx, review_id, author_id, expected)
    if any(getattr(review, name) != value for name, value in fields.items()):
        await _change(tx, review, lambda: review.edit(fields))
    return review


async def withdraw(tx: Session, review_id: UUID, author_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed."""
    review = await _lock_own(tx, review_id, author_id, expected)
    await _change(tx, review, review.withdraw)


async def decide(tx: Session, review_id: UUID, expected: Expected, step: Callable[[Review], None]) -> Review:
    """Raises: NotFound, PreconditionFailed, and what `step` raises."""
    review = await _lock(tx, review_id, expected)
    await _change(tx, review, lambda: step(review))
    return review


async def _change(tx: Session, review: Review, step: Callable[[], None]) -> None:
    """Counts the subject's reviews again if the step changes what is published."""
    before = review.counts and review.rating
    step()
    review.verified = review.verified or await queries.has_bought(tx, review.author_id, review.reviewed_id)
    await tx.flush()
    if (review.counts and review.rating) != before:
        await queries.count(tx, review.reviewed_id)


async def _lock_own(tx: Session, review_id: UUID, author_id: UUID, expected: Expected) -> Review:
    review = await _lock(tx, review_id, Expected())
    if review.author_id != author_id:
        not_found(Review, review_id)
    expected.check(review.version)
    return review


async def _lock(tx: Session, review_id: UUID, expected: Expected) -> Review:
    review = await queries.lock(tx, review_id) or not_found(Review, review_id)
    expected.check(review.version)
    return review
