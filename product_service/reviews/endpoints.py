"""Reviews over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from product_service.caching import allow_caching
from product_service.products.endpoints import may_read_hidden
from product_service.products.models import Product
from product_service.reviews import queries, use_cases
from product_service.reviews.models import NotBought, Review, ReviewDecided, ReviewExists, ReviewStatus
from product_service.reviews.schemas import (
    PublishedReview,
    RatingOut,
    Rejection,
    Reply,
    ReviewChange,
    ReviewIn,
    ReviewOut,
    ReviewPage,
)
from product_service.settings import Settings
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import PUBLIC_OR_SIGNED_IN, MaybePrincipal, Principal, Requires

router = Router(tags=["reviews"])

Author = Annotated[Principal, Requires("reviews:write")]
Moderator = Annotated[Principal, Requires("reviews:moderate")]


@router.post(
    "/products/{product_id}/reviews",
    status_code=201,
    summary="Create a review of a product",
    responses=problems(NotFound, ReviewExists, NotBought),
)
async def write_review(
    product_id: UUID, body: ReviewIn, tx: Session, who: Author, request: Request, response: Response
) -> ReviewOut:
    """A customer writes one review of a product, or of one product of a family. It is shown once staff publish it.
    With the setting `PRODUCT_REVIEWS_VERIFIED_ONLY`, only who has received the product can write one."""
    settings = request.app.state.runtime.resource(Settings)
    only_verified = settings.reviews_verified_only
    review = await use_cases.create(tx, product_id, who.user_id, body.model_dump(), only_verified=only_verified)
    response.headers["Location"] = f"/reviews/{review.id}"
    return tagged(response, ReviewOut.of(review), review.version)


@router.get(
    "/products/{product_id}/reviews",
    summary="List the reviews of a product",
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses=problems(NotFound, InvalidCursor),
)
async def list_reviews(
    product_id: UUID,
    tx: Session,
    page: PagedByTime,
    who: MaybePrincipal,
    response: Response,
    rating: Annotated[int | None, Query(ge=1, le=5, description="only those with so many stars")] = None,
) -> ReviewPage:
    """The published reviews, with the rating of all of them. A product of a family has those of the family."""
    hidden_too = may_read_hidden(who)
    reviewed_id = await queries.subject(tx, product_id, hidden_too=hidden_too) or not_found(Product, product_id)
    published = {"reviewed_id": reviewed_id, "status": ReviewStatus.PUBLISHED, "rating": rating}
    found = page.of(await queries.page(tx, page.position, **published), PublishedReview.of)
    allow_caching(response, who, seconds=60)
    return ReviewPage(items=found.items, next=found.next, rating=RatingOut.of(await queries.stats(tx, reviewed_id)))


@router.get("/reviews", summary="List all reviews", responses=problems(InvalidCursor))
async def list_all_reviews(
    tx: Session,
    page: PagedByTime,
    _: Moderator,
    status: ReviewStatus | None = None,
    product_id: UUID | None = None,
) -> Page[ReviewOut]:
    """For staff: `status=pending` has those that wait for a decision."""
    return page.of(await queries.page(tx, page.position, status=status, product_id=product_id), ReviewOut.of)


@router.get("/me/reviews", summary="List my reviews", responses=problems(InvalidCursor))
async def list_my_reviews(tx: Session, page: PagedByTime, who: Author) -> Page[ReviewOut]:
    """The caller's own reviews, whatever was decided about them."""
    return page.of(await queries.page(tx, page.position, author_id=who.user_id), ReviewOut.of)


@router.get("/reviews/{review_id}", summary="Get a review", responses=problems(NotFound))
async def read_review(review_id: UUID, tx: Session, who: Author, response: Response) -> ReviewOut:
    """For its author, and for staff who may decide it."""
    review = await queries.find(tx, review_id)
    if review is None or (review.author_id != who.user_id and not who.may("reviews:moderate")):
        not_found(Review, review_id)
    return tagged(response, ReviewOut.of(review), review.version)


@router.patch("/reviews/{review_id}", summary="Change my review", responses=problems(NotFound, PreconditionFailed))
async def change_review(
    review_id: UUID, body: ReviewChange, expected: IfMatch, tx: Session, who: Author, response: Response
) -> ReviewOut:
    """A changed review waits for a new decision, and isn't shown meanwhile. A withdrawn one is submitted again."""
    fields = body.model_dump(exclude_unset=True)
    review = await use_cases.change(tx, review_id, who.user_id, expected, fields)
    return tagged(response, ReviewOut.of(review), review.version)


@router.delete(
    "/reviews/{review_id}",
    status_code=204,
    summary="Withdraw my review",
    responses=problems(NotFound, PreconditionFailed),
)
async def withdraw_review(review_id: UUID, expected: IfMatch, tx: Session, who: Author) -> None:
    """It is no longer shown, and no longer counts. `PATCH` submits it again."""
    await use_cases.withdraw(tx, review_id, who.user_id, expected)


_DECIDING = problems(NotFound, ReviewDecided, PreconditionFailed)


@router.post("/reviews/{review_id}/publish", summary="Publish a review", responses=_DECIDING)
async def publish_review(
    review_id: UUID, expected: IfMatch, tx: Session, who: Moderator, response: Response
) -> ReviewOut:
    """Everybody sees it, and it counts. Repeating this changes nothing."""
    review = await use_cases.decide(
        tx, review_id, expected, lambda each: each.decide(ReviewStatus.PUBLISHED, who.user_id)
    )
    return tagged(response, ReviewOut.of(review), review.version)


@router.post("/reviews/{review_id}/reject", summary="Reject a review", responses=_DECIDING)
async def reject_review(
    review_id: UUID, body: Rejection, expected: IfMatch, tx: Session, who: Moderator, response: Response
) -> ReviewOut:
    """It isn't shown, or no longer. Its author sees the reason, and may change it."""
    review = await use_cases.decide(
        tx, review_id, expected, lambda each: each.decide(ReviewStatus.REJECTED, who.user_id, body.reason)
    )
    return tagged(response, ReviewOut.of(review), review.version)


@router.post(
    "/reviews/{review_id}/reply",
    summary="Change the reply to a review",
    responses=problems(NotFound, PreconditionFailed),
)
async def reply_to_review(
    review_id: UUID, body: Reply, expected: IfMatch, tx: Session, _: Moderator, response: Response
) -> ReviewOut:
    """The shop's reply is shown below the review; null removes it."""
    review = await use_cases.decide(tx, review_id, expected, lambda each: each.answer(body.text))
    return tagged(response, ReviewOut.of(review), review.version)
