"""Why a price applies: every candidate, and what each lost to. The rule itself is in contracts/pricing.py."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.pricing import in_force
from product_service.products.prices import BasePrice, GroupPrice, ScheduledPrice


class Verdict(StrEnum):
    APPLIES = "applies"
    OTHER_CURRENCY = "other-currency"
    OTHER_GROUP = "other-group"
    QUANTITY_TOO_SMALL = "quantity-too-small"
    NOT_STARTED = "not-started"
    ENDED = "ended"
    STARTED_EARLIER = "started-earlier"
    GROUP_GOES_FIRST = "group-goes-first"
    OTHER_TIER_IS_LOWER = "other-tier-is-lower"


@dataclass(frozen=True)
class Candidate:
    """A price at one moment. `id` None: the base price."""

    id: UUID | None
    amount: int
    currency: str
    min_quantity: int
    starts_at: datetime
    ends_at: datetime | None
    prior_amount: int | None = None
    list_id: UUID | None = None
    customer_group: UUID | None = None
    rule_id: UUID | None = None
    why: Sequence[dict[str, Any]] | None = None

    @classmethod
    def of(cls, price: ScheduledPrice | GroupPrice) -> "Candidate":
        return cls(
            price.id,
            price.amount,
            price.currency,
            price.min_quantity,
            price.starts_at,
            price.ends_at,
            price.prior_amount if isinstance(price, ScheduledPrice) else None,
            price.list_id,
            price.customer_group if isinstance(price, GroupPrice) else None,
            *((price.rule_id, price.why) if isinstance(price, ScheduledPrice) else ()),
        )

    @classmethod
    def of_base(cls, price: BasePrice, created_at: datetime) -> "Candidate":
        """The base price counts as one that started when the product was created."""
        started_at = min(price.effective_from, created_at)
        return cls(None, price.amount, price.currency, 1, started_at, None, price.prior_amount)


def explain(
    candidates: Iterable[Candidate], quantity: int, currency: str, at: datetime, groups: Set[UUID]
) -> list[tuple[Candidate, Verdict]]:
    """What became of each candidate; at most one applies. The one that applies comes first, then later starts."""
    known = list(candidates)
    public = in_force([each for each in known if each.customer_group is None], quantity, currency, at)
    own = in_force([each for each in known if each.customer_group in groups], quantity, currency, at)
    tiers = {**public, **own}
    winner = min(tiers.values(), key=lambda each: each.amount, default=None)
    found = []
    for each in known:
        verdict = _out_of_force(each, quantity, currency, at, groups)
        if verdict is None:
            verdict = _lost(each, winner, tiers[each.min_quantity])
        found.append((each, verdict))
    return sorted(found, key=lambda pair: (pair[1] != Verdict.APPLIES, -pair[0].starts_at.timestamp()))


def _out_of_force(each: Candidate, quantity: int, currency: str, at: datetime, groups: Set[UUID]) -> Verdict | None:
    reasons: Sequence[tuple[bool, Verdict]] = (
        (each.customer_group is not None and each.customer_group not in groups, Verdict.OTHER_GROUP),
        (each.currency != currency, Verdict.OTHER_CURRENCY),
        (each.starts_at > at, Verdict.NOT_STARTED),
        (each.ends_at is not None and each.ends_at <= at, Verdict.ENDED),
        (each.min_quantity > quantity, Verdict.QUANTITY_TOO_SMALL),
    )
    return next((verdict for holds, verdict in reasons if holds), None)


def _lost(each: Candidate, winner: Candidate | None, best_of_tier: Candidate) -> Verdict:
    if each is winner:
        return Verdict.APPLIES
    if each is best_of_tier:
        return Verdict.OTHER_TIER_IS_LOWER
    if each.customer_group is None and best_of_tier.customer_group is not None:
        return Verdict.GROUP_GOES_FIRST
    return Verdict.STARTED_EARLIER
