"""A model of what the business promises about an order, independent of the services and their tables.

Transitions of the status are those of `TRANSITIONS`. Surplus money is refunded, but never more than was captured.
"""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

TRANSITIONS = {
    ("pending", "stock is reserved"): "awaiting_payment",
    ("pending", "stock is lacking"): "rejected",
    ("pending", "cancelled"): "cancelled",
    ("awaiting_payment", "paid in full"): "paid",
    ("awaiting_payment", "not paid in time"): "expired",
    ("awaiting_payment", "cancelled"): "cancelled",
    ("paid", "cancelled"): "cancelling",
    ("paid", "stock is lacking"): "cancelled",
    ("paid", "all is refunded"): "cancelling",
    ("cancelling", "stock is released"): "cancelled",
    ("cancelling", "stock is lacking"): "cancelled",
    ("paid", "a parcel left"): "partially_shipped",
    ("paid", "the last parcel left"): "shipped",
    ("partially_shipped", "the last parcel left"): "shipped",
    ("paid", "the last parcel arrived"): "delivered",
    ("partially_shipped", "the last parcel arrived"): "delivered",
    ("shipped", "the last parcel arrived"): "delivered",
    **{(status, "every parcel is lost"): "cancelled" for status in ("paid", "partially_shipped", "shipped")},
    ("delivered", "the return window is over"): "completed",
    ("delivered", "everything came back"): "returned",
    ("completed", "everything came back"): "returned",
}
STATUSES = {status for status, _ in TRANSITIONS} | set(TRANSITIONS.values())
REFUNDED_STATUSES = {"rejected", "cancelled", "expired"}
FINAL_STATUSES = REFUNDED_STATUSES | {"completed", "returned"}
NOT_PAID_YET = {"pending", "awaiting_payment"}

EVENTS = {
    "awaiting_payment": ["order.awaiting_payment"],
    "rejected": ["order.rejected"],
    "paid": ["order.paid", "fulfilment.requested"],
    "expired": ["order.expired", "release.requested"],
    "cancelling": ["release.requested"],
    "cancelled": ["order.cancelled"],
    "partially_shipped": ["order.shipped"],
    "shipped": ["order.shipped"],
    "delivered": ["order.delivered"],
    "completed": ["order.completed"],
    "returned": ["order.returned"],
}
"""The event of each status, which is published once, however often inputs are repeated."""


@dataclass(frozen=True, slots=True)
class ObservedRefund:
    id: UUID
    payment_id: UUID
    amount: int
    state: str


@dataclass(frozen=True, slots=True)
class ObservedReturn:
    """`refund_made`: the amount of its automatic refund; None: nothing yet."""

    id: UUID
    state: str
    refund_made: int | None


@dataclass(frozen=True, slots=True)
class Observed:
    """The observable state of an order."""

    status: str
    payment_status: str
    fulfilment_status: str
    version: int
    captured: int
    refunded: int
    refunds: tuple[ObservedRefund, ...]
    returns: tuple[ObservedReturn, ...]
    emitted: tuple[tuple[str, int], ...]
    """Each event about the order with its version, in the order in which they are published."""
    history: tuple[tuple[int, str | None, str], ...]
    """(version, from, to) of each step."""


@dataclass
class Charge:
    """The gateway's state of one payment; `succeeded` None: undecided."""

    id: UUID
    order_id: UUID
    amount: int
    succeeded: bool | None = None


PARCEL_PROGRESS = {"created": 0, "dispatched": 1, "delivered": 2, "lost": 2}
"""The sequence of the statuses of a parcel; `lost` is final too."""


@dataclass
class ExpectedOrder:
    """Follows the inputs of one order, and determines its expected state."""

    total: int
    status: str = "pending"
    captured: int = 0
    refunds_requested: int = 0
    refund_made: int = 0
    refunds_failed: int = 0
    """The amount of failed refunds, which can be requested again."""
    published: list[str] = field(default_factory=lambda: ["order.placed", "reservation.requested"])
    parcels: dict[UUID, str] = field(default_factory=dict)
    """The status of each parcel, by the events that the order has received."""
    parcels_in_all: int = 1

    def can_be_cancelled(self) -> bool:
        return (self.status, "cancelled") in TRANSITIONS

    def apply(self, what: str) -> None:
        next_status = TRANSITIONS.get((self.status, what))
        if next_status is None:
            return
        self.status = next_status
        self.published += EVENTS[next_status]
        if what == "cancelled" and next_status == "cancelled":
            self.published.append("release.requested")
        if next_status in REFUNDED_STATUSES:
            self.refunds_requested += self.left()
        if next_status == "awaiting_payment" and self.is_paid():
            self.apply("paid in full")
        if next_status in ("shipped", "partially_shipped"):
            self._follow_parcels()

    def _follow_parcels(self) -> None:
        if self.status in ("shipped", "partially_shipped") and self._parcels_at("delivered") >= self.parcels_in_all:
            self.apply("every parcel is lost" if self._all_are_lost() else "the last parcel arrived")

    def stock_is_reserved(self) -> None:
        if self.status in REFUNDED_STATUSES:
            self.published.append("release.requested")
        self.apply("stock is reserved")

    def release_is_refused(self) -> None:
        """The status follows from its parcels again; the customer was notified of them already."""
        if self.status != "cancelling":
            return
        left = self._parcels_at("dispatched")
        if self.is_refunded_in_full() and left < self.parcels_in_all:
            self.published.append("fulfilment.refunded")
        self.status = "paid" if not left else "partially_shipped" if left < self.parcels_in_all else "shipped"
        self._follow_parcels()

    def money_arrives(self, amount: int) -> None:
        """The outstanding amount is used for the order; the rest is refunded automatically."""
        wanted = max(0, self.total - self.left()) if self.status in NOT_PAID_YET else 0
        self.captured += amount
        self.refunds_requested += max(0, amount - wanted)
        if self.is_paid():
            self.apply("paid in full")

    def refund_is_asked(self, amount: int) -> None:
        """A full refund cancels an order before its dispatch; after a dispatch, the warehouse is warned of the other
        parcels."""
        was_refunded_in_full = self.is_refunded_in_full()
        self.refunds_requested += amount
        self._follow_refund(was_refunded_in_full)

    def refund_fails(self, amount: int) -> None:
        """The amount still belongs to the order, and pays for it."""
        was_refunded_in_full = self.is_refunded_in_full()
        self.refunds_failed += amount
        if was_refunded_in_full and not self.is_refunded_in_full() and self.status in ("paid", "partially_shipped"):
            self.published.append("fulfilment.refunded")
        if self.is_paid():
            self.apply("paid in full")

    def refund_succeeds(self, amount: int, *, after_all: bool) -> None:
        """`after_all`: it had failed before."""
        was_refunded_in_full = self.is_refunded_in_full()
        self.refund_made += amount
        if after_all:
            self.refunds_failed -= amount
            self._follow_refund(was_refunded_in_full)

    def _follow_refund(self, was_refunded_in_full: bool) -> None:
        if self.is_refunded_in_full() and not was_refunded_in_full:
            if self.status == "partially_shipped":
                self.published.append("fulfilment.refunded")
            self.apply("all is refunded")

    def is_refunded_in_full(self) -> bool:
        return self.captured > 0 and self.left() <= 0

    def parcel_is(self, parcel: UUID, how_far: str, parcels_in_all: int, worth: int) -> None:
        """An event that is older than an earlier one is ignored. `worth`: the price of the contents."""
        known = self.parcels.get(parcel)
        if known is not None and PARCEL_PROGRESS[known] >= PARCEL_PROGRESS[how_far]:
            return
        self.parcels[parcel], self.parcels_in_all = how_far, parcels_in_all
        is_last = self._parcels_at(how_far) >= parcels_in_all
        if how_far == "dispatched":
            if not is_last and self.status == "partially_shipped":
                self.published.append("order.shipped")
            self.apply("the last parcel left" if is_last else "a parcel left")
        elif how_far == "delivered" and is_last:
            self.apply("the last parcel arrived")
        elif how_far == "lost":
            self._lose(worth)

    def _lose(self, worth: int) -> None:
        """A lost parcel is refunded once, up to the rest of the captured amount."""
        if self._all_are_lost():
            self.apply("every parcel is lost")
        else:
            self._follow_parcels()
        if self.status not in REFUNDED_STATUSES:
            self.refund_is_asked(min(worth, max(self.left(), 0)))

    def _all_are_lost(self) -> bool:
        return sum(each == "lost" for each in self.parcels.values()) >= self.parcels_in_all

    def is_paid(self) -> bool:
        return self.left() >= self.total

    def left(self) -> int:
        """The refundable amount; only this pays for the order, not pending refunds."""
        return self.captured - (self.refunds_requested - self.refunds_failed)

    def payment_status(self) -> str:
        if not self.captured:
            return "unpaid"
        if self.refund_made == self.captured:
            return "refunded"
        if self.captured - self.refund_made >= self.total:
            return "paid"
        return "partially_refunded" if self.refund_made else "partially_paid"

    def fulfilment_status(self) -> str:
        if not self.parcels:
            return "unfulfilled"
        if self._all_are_lost():
            return "lost"
        for how_far, name in (("delivered", "delivered"), ("dispatched", "shipped")):
            if self._parcels_at(how_far) == self.parcels_in_all:
                return name
        return "partially_shipped" if self._parcels_at("dispatched") else "preparing"

    def _parcels_at(self, how_far: str) -> int:
        """The number of parcels that have reached this status."""
        return sum(PARCEL_PROGRESS[each] >= PARCEL_PROGRESS[how_far] for each in self.parcels.values())

    def holds(self, observed: Observed) -> None:
        """Asserts that the observed state is the expected one."""
        assert observed.status == self.status
        assert observed.payment_status == self.payment_status()
        assert observed.fulfilment_status == self.fulfilment_status()
        assert (observed.captured, observed.refunded) == (self.captured, self.refund_made)
        assert sum(refund.amount for refund in observed.refunds) == self.refunds_requested
        assert 0 <= self.refund_made <= self.captured, "no more is refunded than was captured"
        if self.status in REFUNDED_STATUSES:
            assert self.left() <= self.refunds_failed, "a cancelled order keeps no money"
        assert Counter(name for name, _ in observed.emitted) == Counter(self.published)
        self._check_versions(observed)

    def _check_versions(self, observed: Observed) -> None:
        """Versions grow by one, none is used for two steps, and each step starts from the status of the previous
        one."""
        event_versions, step_versions = (
            [version for _, version in observed.emitted],
            [version for version, _, _ in observed.history],
        )
        assert event_versions == sorted(set(event_versions)), "the events of an order are in the order of its versions"
        assert step_versions == sorted(set(step_versions))
        assert sorted({*event_versions, *step_versions}) == list(range(1, observed.version + 1)), "versions grow by one"
        for (_, _, to), (_, start, _) in zip(observed.history, observed.history[1:], strict=False):
            assert start == to, "each step starts from the status of the previous one"
        assert observed.history[-1][2] == observed.status
        left = {step[1:] for step in observed.history if step[1] in FINAL_STATUSES and step[2] != step[1]}
        assert left <= {("completed", "returned")}, "the only change of a final status is by a late return"
