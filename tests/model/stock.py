"""A model of the stock: pieces on hand, reserved pieces, and their orders."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from tests.model.pure_inventory import Level

Pieces = Counter[UUID]
"""Product → quantity."""


@dataclass
class Hold:
    """The state of the reservation of one order."""

    wanted: Pieces
    held: Pieces = field(default_factory=Counter)
    state: str = "not requested"
    parcels: dict[UUID, Pieces] = field(default_factory=dict)
    left: set[UUID] = field(default_factory=set)
    refunded: bool = False
    lost: set[UUID] = field(default_factory=set)


@dataclass
class Stock:
    on_hand: Pieces
    holds: dict[UUID, Hold] = field(default_factory=dict)

    def free(self, product: UUID) -> int:
        return self.on_hand[product] - sum(hold.held[product] for hold in self.holds.values())

    def reserve(self, order_id: UUID) -> str:
        """Reserves all lines, or none."""
        hold = self.holds[order_id]
        if all(self.free(product) >= count for product, count in hold.wanted.items()):
            hold.held, hold.state = Counter(hold.wanted), "reserved"
            return "reservation.accepted"
        hold.state = "rejected"
        return "reservation.rejected"

    def release(self, order_id: UUID) -> str:
        """Refused after a dispatch. Otherwise all pieces become available, and no parcel of the order is dispatched."""
        hold = self.holds[order_id]
        if hold.left:
            return "release.refused"
        hold.held, hold.parcels = Counter(), {}
        hold.state = "rejected" if hold.state == "rejected" else "released"
        return "reservation.released"

    def fulfil(self, order_id: UUID) -> str | None:
        """None: parcels exist or will be created."""
        hold = self.holds[order_id]
        if hold.state == "expired":
            self.reserve(order_id)
        if hold.state == "fulfilling":
            return None
        if hold.state != "reserved":
            return "reservation.rejected"
        hold.state = "fulfilling"
        return None

    def expire(self, order_id: UUID) -> None:
        self.holds[order_id].held, self.holds[order_id].state = Counter(), "expired"

    def packed(self, order_id: UUID, parcels: dict[UUID, Pieces]) -> None:
        """Asserts that the parcels contain exactly the ordered pieces."""
        hold = self.holds[order_id]
        assert sum(parcels.values(), Pieces()) == hold.wanted, "the parcels contain exactly the ordered pieces"
        hold.parcels = parcels

    def may_leave(self, order_id: UUID, parcel: UUID, confirmed: bool) -> bool:
        hold = self.holds[order_id]
        return parcel in hold.parcels and parcel not in hold.left and (confirmed or not hold.refunded)

    def leaves(self, order_id: UUID, parcel: UUID) -> None:
        hold = self.holds[order_id]
        hold.left.add(parcel)
        hold.held -= hold.parcels[parcel]
        self.on_hand -= hold.parcels[parcel]

    def match(self, levels: Iterable[Level]) -> None:
        """Asserts that no level is negative, and that the sums of the warehouses equal the model."""
        on_hand, reserved = Pieces(), Pieces()
        for level in levels:
            assert 0 <= level.reserved <= level.on_hand, "stock is not negative, and no more is reserved than on hand"
            assert level.reserved == level.held, "`reserved` is the sum of the open reservations"
            on_hand[level.product] += level.on_hand
            reserved[level.product] += level.reserved
        assert +on_hand == +self.on_hand
        assert +reserved == sum((hold.held for hold in self.holds.values()), Pieces()), "every reservation has an order"
