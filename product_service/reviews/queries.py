"""Every statement about reviews."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.events.users import UserMerged
from product_service.reviews.models import Review, ReviewStats
from service_kit.database import AnySession, Session, Statement, Transaction, rows
from service_kit.database.keyset import Position, Slice, keyset, matching

SUBJECT = Statement("""
SELECT coalesce(family_id, id) FROM products WHERE id = :product_id AND (status = 'active' OR :hidden_too)
""")
HAS_BOUGHT = Statement("""
SELECT EXISTS (
    SELECT FROM purchases b JOIN products p ON p.id = b.product_id
    WHERE b.customer_id = :author_id::uuid AND b.delivered_at IS NOT NULL AND :reviewed_id IN (p.id, p.family_id)
)
""")
# The statistics are counted again under their row's lock, by a statement that begins once the lock is held: so they are
# those of all reviews that were decided before, whatever was decided at the same time.
ADD_STATS = Statement("INSERT INTO review_stats (reviewed_id) VALUES (:reviewed_id) ON CONFLICT DO NOTHING")
LOCK_STATS = Statement("SELECT FROM review_stats WHERE reviewed_id = :reviewed_id FOR UPDATE")
COUNT = Statement("""
UPDATE review_stats AS s SET version = s.version + 1,
    stars_1 = found.one, stars_2 = found.two, stars_3 = found.three, stars_4 = found.four, stars_5 = found.five
FROM (
    SELECT count(*) FILTER (WHERE rating = 1) AS one, count(*) FILTER (WHERE rating = 2) AS two,
           count(*) FILTER (WHERE rating = 3) AS three, count(*) FILTER (WHERE rating = 4) AS four,
           count(*) FILTER (WHERE rating = 5) AS five
    FROM reviews WHERE reviewed_id = :reviewed_id AND status = 'published'
) AS found
WHERE s.reviewed_id = :reviewed_id
""")
# Of a guest who has reviewed what the registered account has too, the account's review stays.
MERGE = Statement(f"""
UPDATE reviews SET author_id = event."into" FROM {rows("event", UserMerged, "user_id", "into")}
WHERE reviews.author_id = event.user_id AND NOT EXISTS (
    SELECT FROM reviews AS other WHERE other.author_id = event."into" AND other.reviewed_id = reviews.reviewed_id)
""")
DELETE_OF = Statement("DELETE FROM reviews WHERE author_id = ANY(:user_ids::uuid[]) RETURNING reviewed_id")
DELETE_UNPUBLISHED_OF = Statement("""
DELETE FROM reviews WHERE author_id = ANY(:user_ids::uuid[]) AND status <> 'published' RETURNING reviewed_id
""")
FORGET_AUTHORS = Statement("""
UPDATE reviews SET author_id = NULL, author = NULL WHERE author_id = ANY(:user_ids::uuid[])
""")


async def subject(tx: Session, product_id: UUID, *, hidden_too: bool) -> UUID | None:
    """What a review of this product is about: its family, or the product."""
    found: UUID | None = await SUBJECT.fetchval(tx, product_id=product_id, hidden_too=hidden_too)
    return found


async def has_bought(tx: Session, author_id: UUID | None, reviewed_id: UUID) -> bool:
    """Whether the customer has received a product of this subject, and has not returned all of its order."""
    return bool(await HAS_BOUGHT.fetchval(tx, author_id=author_id, reviewed_id=reviewed_id))


async def lock(tx: Session, review_id: UUID) -> Review | None:
    return await tx.get(Review, review_id, with_for_update=True, populate_existing=True)


async def find(tx: Session, review_id: UUID) -> Review | None:
    return await tx.get(Review, review_id)


async def of_author(tx: Session, reviewed_id: UUID, author_id: UUID) -> Review | None:
    return (await tx.exec(matching(Review, reviewed_id=reviewed_id, author_id=author_id))).first()


async def count(tx: AnySession, reviewed_id: UUID) -> None:
    """Counts the published reviews of a subject."""
    await ADD_STATS.execute(tx, reviewed_id=reviewed_id)
    await LOCK_STATS.fetch(tx, reviewed_id=reviewed_id)
    await COUNT.execute(tx, reviewed_id=reviewed_id)


async def stats(tx: Session, reviewed_id: UUID) -> ReviewStats:
    return await tx.get(ReviewStats, reviewed_id) or ReviewStats(reviewed_id=reviewed_id)


async def page(tx: Session, position: Position, **values: Any) -> Slice[Review]:
    """The newest first, of those whose columns have these values (None: any)."""
    return await keyset(tx, matching(Review, **values), position, Review.id)


async def merge(tx: Transaction, events: Sequence[UserMerged]) -> None:
    await MERGE.execute(tx, event=events)
    await erase(tx, [event.user_id for event in events], keep=False)


async def erase(tx: Transaction, user_ids: Sequence[UUID], *, keep: bool) -> None:
    """Deletes the reviews of erased accounts. With `keep`, published ones stay without their author."""
    gone = DELETE_UNPUBLISHED_OF if keep else DELETE_OF
    for reviewed_id in sorted({row[0] for row in await gone.fetch(tx, user_ids=user_ids)}):
        await count(tx, reviewed_id)
    await FORGET_AUTHORS.execute(tx, user_ids=user_ids)
