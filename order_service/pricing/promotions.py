"""Promotions: what they take off the lines and the shipping of an order, and why a code can't be used.

Each promotion is worked out once on all that it targets, rounded once, and divided over the lines. It never takes more
than there is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from order_service.pricing.arithmetic import part, share, split
from order_service.pricing.lines import SHIPPING, Adjustment, QuoteLine, Shipping
from service_kit.problems import Problem

MOST_CODES = 5
"""How many codes an order can have."""


class PromotionUnusable(Problem, status=409, type="promotion-unusable"):
    """Some codes can't be used for this order; `codes` names each, and why."""


class Stage(StrEnum):
    """Promotions apply stage by stage: to single lines, to the order (divided over its lines), to the shipping."""

    LINES = "lines"
    ORDER = "order"
    SHIPPING = "shipping"


class Reason(StrEnum):
    """Why a code can't be used."""

    UNKNOWN = "unknown"
    NOT_YET = "not-yet"
    ENDED = "ended"
    EXHAUSTED = "exhausted"
    USED_BY_YOU = "used-by-you"
    MINIMUM = "minimum"
    NOT_FOR_THESE = "not-for-these"
    NOT_FOR_YOU = "not-for-you"
    CURRENCY = "currency"
    STOPPED_BY = "stopped-by"
    NOTHING_OFF = "nothing-off"


@dataclass(frozen=True, slots=True)
class Percent:
    """`rate` in parts per million; at most `most`, by currency."""

    rate: int
    most: Mapping[str, int] = field(default_factory=dict)
    kind: Literal["percent"] = "percent"


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount by currency: off the sum, or off `each` piece."""

    amounts: Mapping[str, int]
    each: bool = False
    kind: Literal["amount"] = "amount"


@dataclass(frozen=True, slots=True)
class FreeShipping:
    """Free shipping by these methods (empty: by any), up to `most`, by currency."""

    methods: frozenset[str] = frozenset()
    most: Mapping[str, int] = field(default_factory=dict)
    kind: Literal["free_shipping"] = "free_shipping"


@dataclass(frozen=True, slots=True)
class Scope:
    """The lines that a promotion is for: of these products or families, or in one of these categories or below it.
    Empty: all. Excluded products are never among them."""

    product_ids: frozenset[UUID] = frozenset()
    category_ids: frozenset[UUID] = frozenset()
    family_ids: frozenset[UUID] = frozenset()
    exclude_product_ids: frozenset[UUID] = frozenset()

    def contains(self, line: QuoteLine) -> bool:
        if line.product_id in self.exclude_product_ids:
            return False
        if not (self.product_ids or self.category_ids or self.family_ids):
            return True
        return (
            line.product_id in self.product_ids
            or line.facts.family_id in self.family_ids
            or not self.category_ids.isdisjoint(line.facts.category_path)
        )


@dataclass(frozen=True, slots=True)
class BuyGet:
    """Who buys `buy` pieces of the promotion's scope gets `get` pieces of `get_scope` (None: of the same) reduced by
    `rate` (parts per million), at most `most_times`."""

    buy: int
    get: int
    rate: int
    get_scope: Scope | None = None
    most_times: int | None = None
    kind: Literal["buy_get"] = "buy_get"


Effect = Annotated[Percent | Amount | FreeShipping | BuyGet, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Conditions:
    """`minimum`, by currency: what the lines in scope must come to after earlier promotions. `first_order`: only for a
    customer who has no other order."""

    minimum: Mapping[str, int] = field(default_factory=dict)
    pieces: int = 0
    countries: frozenset[str] = frozenset()
    customer_groups: frozenset[UUID] = frozenset()
    first_order: bool = False


@dataclass(frozen=True, slots=True)
class Promotion:
    """`automatic`: applies to every order without a code. After one with `stops` that took something off, no other
    applies in its stage. The limits count uses (None: no limit)."""

    id: UUID
    name: str
    stage: Stage
    effect: Effect
    scope: Scope
    conditions: Conditions
    automatic: bool
    priority: int
    stops: bool
    use_limit: int | None
    use_limit_per_customer: int | None
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Code:
    """A code that a customer entered, with what the database knows of it (`promotion_id` None: nothing). `is_used_up`:
    it, or its promotion, has reached its limit; `used_by_customer`: how often the customer has used the promotion, if
    that is limited; None: the limit needs an e-mail address, and there is none. `is_limited`: it counts its own
    uses."""

    code: str
    promotion_id: UUID | None = None
    is_used_up: bool = False
    used_by_customer: int | None = 0
    is_limited: bool = False


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who orders, as far as prices and promotions depend on it."""

    groups: Set[UUID] = frozenset()
    has_ordered: bool = False
    country: str | None = None


class Applied:
    """Applies promotions in their order, and collects the adjustments and the reasons of the codes that failed."""

    def __init__(
        self,
        promotions: Sequence[Promotion],
        codes: Sequence[Code],
        buyer: Buyer,
        currency: str,
        step: int,
        now: datetime,
    ) -> None:
        """`promotions` are those that have not ended, sorted by `(-priority, id)`."""
        self.adjustments: list[Adjustment] = []
        self.reasons: dict[str, Reason] = {}
        """Why each code that took nothing off can't be used."""
        self._promotions = promotions
        self._buyer, self._currency, self._step, self._now = buyer, currency, step, now
        self._codes: dict[UUID, Code] = {}
        known = {promotion.id: promotion for promotion in promotions}
        for code in codes:
            promotion = known.get(code.promotion_id) if code.promotion_id else None
            if reason := self._unusable(code, promotion):
                self.reasons[code.code] = reason
            elif promotion:
                self._codes[promotion.id] = code

    def _unusable(self, code: Code, promotion: Promotion | None) -> Reason | None:
        """Why the code can't be used for any order; None: it can."""
        if promotion is None:
            return Reason.ENDED if code.promotion_id else Reason.UNKNOWN
        if code.is_used_up:
            return Reason.EXHAUSTED
        if promotion.use_limit_per_customer is not None:
            if code.used_by_customer is None:
                return Reason.NOT_FOR_YOU
            if code.used_by_customer >= promotion.use_limit_per_customer:
                return Reason.USED_BY_YOU
        # Two codes of one promotion: it applies once.
        return Reason.NOTHING_OFF if promotion.id in self._codes else None

    def to_lines(self, lines: Sequence[QuoteLine]) -> None:
        """Takes the stages `lines` and `order` off the lines."""
        for stage in (Stage.LINES, Stage.ORDER):
            for promotion, code in self._of(stage):
                self._apply(promotion, code, lines, None)

    def to_shipping(self, lines: Sequence[QuoteLine], shipping: Shipping) -> None:
        for promotion, code in self._of(Stage.SHIPPING):
            self._apply(promotion, code, lines, shipping)

    @property
    def redeemed(self) -> dict[UUID, Code]:
        """The codes that took something off, by their promotion."""
        return {id: code for id, code in self._codes.items() if code.code not in self.reasons}

    def _of(self, stage: Stage) -> Iterable[tuple[Promotion, Code | None]]:
        """The promotions of a stage that are wanted, until one of them stops the others."""
        stopped = False
        for promotion in self._promotions:
            code = self._codes.get(promotion.id)
            if promotion.stage is not stage or not (promotion.automatic or code):
                continue
            if stopped:
                if code:
                    self.reasons[code.code] = Reason.STOPPED_BY
                continue
            before = len(self.adjustments)
            yield promotion, code
            stopped = promotion.stops and len(self.adjustments) > before

    def _apply(
        self, promotion: Promotion, code: Code | None, lines: Sequence[QuoteLine], shipping: Shipping | None
    ) -> None:
        scoped = [line for line in lines if promotion.scope.contains(line)]
        reason = self._reason(promotion, scoped)
        if reason is None:
            off = self._shipping_off(promotion, shipping) if shipping else self._lines_off(promotion, lines, scoped)
            for line, amount in off:
                position = line.position if isinstance(line, QuoteLine) else SHIPPING
                line.discount += amount
                self.adjustments.append(Adjustment(promotion.id, code.code if code else None, position, amount))
            reason = None if off else Reason.NOTHING_OFF
        if code and reason:
            self.reasons[code.code] = reason

    def _reason(self, promotion: Promotion, scoped: Sequence[QuoteLine]) -> Reason | None:
        """Why the promotion does not apply; None: it does."""
        needs, buyer = promotion.conditions, self._buyer
        if promotion.starts_at is not None and self._now < promotion.starts_at:
            return Reason.NOT_YET
        if promotion.ends_at is not None and promotion.ends_at <= self._now:
            return Reason.ENDED
        if (
            (needs.customer_groups and needs.customer_groups.isdisjoint(buyer.groups))
            or (needs.first_order and buyer.has_ordered)
            or (needs.countries and buyer.country not in needs.countries)
        ):
            return Reason.NOT_FOR_YOU
        return self._reason_of_goods(promotion, scoped)

    def _reason_of_goods(self, promotion: Promotion, scoped: Sequence[QuoteLine]) -> Reason | None:
        needs, effect = promotion.conditions, promotion.effect
        if not scoped:
            return Reason.NOT_FOR_THESE
        priced = [needs.minimum] if needs.minimum else []
        priced += [effect.amounts] if isinstance(effect, Amount) else []
        if any(self._currency not in amounts for amounts in priced):
            return Reason.CURRENCY
        enough = sum(line.price for line in scoped) >= needs.minimum.get(self._currency, 0)
        return None if enough and sum(line.quantity for line in scoped) >= needs.pieces else Reason.MINIMUM

    def _lines_off(
        self, promotion: Promotion, lines: Sequence[QuoteLine], scoped: Sequence[QuoteLine]
    ) -> list[tuple[QuoteLine, int]]:
        """What the promotion takes off each line."""
        effect = promotion.effect
        if isinstance(effect, BuyGet):
            return self._buy_get_off(effect, lines, scoped)
        if isinstance(effect, Amount) and effect.each:
            each = effect.amounts[self._currency]
            amounts = [min(line.price, each * line.quantity) for line in scoped]
        else:
            amounts = self._divided(self._off(effect, sum(line.price for line in scoped)), scoped)
        return [(line, amount) for line, amount in zip(scoped, amounts, strict=True) if amount]

    def _divided(self, off: int, scoped: Sequence[QuoteLine]) -> list[int]:
        return split(off, [line.price for line in scoped], self._step) if off else [0] * len(scoped)

    def _shipping_off(self, promotion: Promotion, shipping: Shipping) -> list[tuple[Shipping, int]]:
        effect, method = promotion.effect, shipping.method
        if (
            isinstance(effect, FreeShipping)
            and effect.methods
            and (method is None or method.code not in effect.methods)
        ):
            return []
        off = self._off(effect, shipping.price)
        return [(shipping, off)] if off else []

    def _off(self, effect: Effect, price: int) -> int:
        """What is taken off a price by an effect on the whole of it."""
        match effect:
            case Percent(rate, most):
                return min(price, part(price, rate, self._step), most.get(self._currency, price))
            case Amount(amounts):
                return min(price, amounts[self._currency])
            case FreeShipping(most=most):
                return min(price, most.get(self._currency, price))
            case _:
                return 0

    def _buy_get_off(
        self, effect: BuyGet, lines: Sequence[QuoteLine], bought: Sequence[QuoteLine]
    ) -> list[tuple[QuoteLine, int]]:
        """The reduction of the cheapest pieces, divided over all pieces that belong to the offer, bought and reduced.
        So a return of any of them refunds its part, and nobody keeps the free piece and returns the paid one."""
        given = bought if effect.get_scope is None else [line for line in lines if effect.get_scope.contains(line)]
        both = {line.position for line in bought} & {line.position for line in given}
        times = _times(
            effect,
            bought=sum(line.quantity for line in bought),
            given=sum(line.quantity for line in given),
            given_only=sum(line.quantity for line in given if line.position not in both),
        )
        if not times:
            return []
        cheapest = sorted(given, key=lambda line: (line.position in both, *_by_price(line)))
        reduced = _take(cheapest, times * effect.get, {})
        dearest = sorted(bought, key=_by_price, reverse=True)
        group: defaultdict[int, int] = defaultdict(int, reduced)
        for position, pieces in _take(dearest, times * effect.buy, reduced).items():
            group[position] += pieces
        members = [line for line in lines if group[line.position]]
        off = part(
            sum(self._price_of(line, reduced.get(line.position, 0)) for line in members), effect.rate, self._step
        )
        weights = [self._price_of(line, group[line.position]) for line in members]
        amounts = split(off, weights, self._step) if off else [0] * len(members)
        return [(line, amount) for line, amount in zip(members, amounts, strict=True) if amount]

    def _price_of(self, line: QuoteLine, pieces: int) -> int:
        return share(line.price, pieces, line.quantity, self._step)


def _times(effect: BuyGet, *, bought: int, given: int, given_only: int) -> int:
    """How often the offer fits into the pieces: pieces that are in both scopes are either bought or given."""
    low, high = 0, given // effect.get
    if effect.most_times is not None:
        high = min(high, effect.most_times)
    while low < high:
        times = (low + high + 1) // 2
        if times * effect.buy <= bought - max(0, times * effect.get - given_only):
            low = times
        else:
            high = times - 1
    return low


def _by_price(line: QuoteLine) -> tuple[Fraction, UUID, int]:
    return Fraction(line.price, line.quantity), line.product_id, line.position


def _take(lines: Iterable[QuoteLine], count: int, taken: Mapping[int, int]) -> dict[int, int]:
    """The first `count` pieces of the lines, by position, without those that are `taken`."""
    found: dict[int, int] = {}
    for line in lines:
        pieces = min(count, line.quantity - taken.get(line.position, 0))
        if pieces > 0:
            found[line.position] = pieces
            count -= pieces
    return found
