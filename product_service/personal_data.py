"""This service's personal data: reviews, and what customers have bought. The kit adds the account status and the audit
log."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from contracts.events.users import UserMerged
from product_service.purchases import queries as purchases
from product_service.reviews import queries as reviews
from product_service.settings import Settings
from service_kit.database import Transaction
from service_kit.personal_data import PersonalData, Section


async def erase(tx: Transaction, user_ids: Sequence[UUID], *, keep_reviews: bool = True) -> None:
    await reviews.erase(tx, user_ids, keep=keep_reviews)
    await purchases.erase(tx, user_ids)


async def merge(tx: Transaction, events: Sequence[UserMerged]) -> None:
    await reviews.merge(tx, events)
    await purchases.merge(tx, events)


PERSONAL_DATA = PersonalData(
    sections=[
        Section("reviews", "reviews", where="author_id = :account_id"),
        Section("purchases", "purchases", id="order_id"),
    ],
    erase=erase,
    erase_late=erase,
    merge=merge,
)


def personal_data(declared: PersonalData, settings: Settings) -> PersonalData:
    """With reviews of erased accounts deleted, if the shop wants that."""
    if settings.reviews_of_erased == "keep":
        return declared
    deleting = partial(erase, keep_reviews=False)
    return replace(declared, erase=deleting, erase_late=deleting)
