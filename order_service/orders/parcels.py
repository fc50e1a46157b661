"""Which pieces of an order a parcel holds. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


class Line(Protocol):
    """Of the order."""

    position: int
    product_id: UUID
    quantity: int
    unit_price: int


@dataclass(slots=True)
class PricedLine:
    """What of an order's line matters here."""

    position: int
    product_id: UUID
    quantity: int
    unit_price: int


def pieces_of(lines: Sequence[Line], parcels: Iterable[Sequence[Mapping[str, Any]]]) -> Counter[int]:
    """How many pieces of each line, by position, these parcels hold.

    A parcel that was packed before its lines had positions names products: where one stands in several lines, the
    dearest come first, in the customer's favour. Products that the order doesn't have are passed over.
    """
    found: Counter[int] = Counter()
    by_dearest = sorted(lines, key=lambda line: (-line.unit_price, line.position))
    positions = {line.position for line in lines}
    for part in (part for parcel in parcels for part in parcel):
        if (position := part.get("position")) in positions:
            found[position] += part["quantity"]
            continue
        missing, product_id = part["quantity"], UUID(str(part["product_id"]))
        for line in by_dearest:
            if line.product_id == product_id and missing:
                taken = min(missing, line.quantity - found[line.position])
                found[line.position] += taken
                missing -= taken
    return found
