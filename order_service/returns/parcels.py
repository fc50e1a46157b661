"""Which pieces of an order are in a parcel."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from order_service.pricing import shares
from order_service.pricing.shares import price_per_piece


class Line(shares.Line, Protocol):
    """A line of the order."""

    product_id: UUID


def dearest_first(lines: Iterable[Line]) -> list[Line]:
    """The order in which lines of one product are chosen where the line is unknown: in the customer's favour."""
    return sorted(lines, key=lambda line: (-price_per_piece(line), line.position))


def pieces_of(
    lines: Sequence[Line], parcels: Iterable[Sequence[Mapping[str, Any]]], gone: Mapping[int, int] | None = None
) -> Counter[int]:
    """How many pieces of each line, by position, are in these parcels.

    A parcel that was packed before its lines had positions names products: where one stands in several lines, the
    dearest come first, of which not all pieces are in an earlier parcel or `gone`. Products that the order doesn't have
    are ignored.
    """
    found: Counter[int] = Counter()
    gone = gone or {}
    by_dearest: list[Line] = []
    positions = {line.position for line in lines}
    for part in (part for parcel in parcels for part in parcel):
        if (position := part.get("position")) in positions:
            found[position] += part["quantity"]
            continue
        missing, product_id = part["quantity"], UUID(str(part["product_id"]))
        by_dearest = by_dearest or dearest_first(lines)
        for line in by_dearest:
            if line.product_id == product_id and missing:
                taken = max(0, min(missing, line.quantity - gone.get(line.position, 0) - found[line.position]))
                found[line.position] += taken
                missing -= taken
    return found
