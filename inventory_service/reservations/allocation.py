"""Which warehouse gives what: all lines or none, in few parcels. Pure: it knows no database."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

Free = Mapping[UUID, Mapping[UUID, int]]
"""What is available: product → warehouse → pieces; fewer than none where pieces that are promised have expired."""


_NOTHING: Mapping[UUID, int] = MappingProxyType({})


class Wanted(NamedTuple):
    """One line of an order."""

    product_id: UUID
    quantity: int


class Share(NamedTuple):
    """What a warehouse gives to the order's line `position` (from 0)."""

    position: int
    product_id: UUID
    warehouse_id: UUID
    quantity: int


class Shortage(NamedTuple):
    """A product that there is too little of; `requested` is the sum of the lines."""

    product_id: UUID
    requested: int
    available: int


def allocate(lines: Sequence[Wanted], free: Free) -> list[Share] | list[Shortage]:
    """The shares of all lines, or else every product that lacks stock. `free` is only read.

    A product that stands in several lines is judged by their sum; each line gets shares of its own.
    """
    wanted: dict[UUID, int] = {}
    for product_id, quantity in lines:
        wanted[product_id] = wanted.get(product_id, 0) + quantity
    warehouse_id = _with_everything(wanted, free)
    if warehouse_id is not None:
        return [Share(position, line.product_id, warehouse_id, line.quantity) for position, line in enumerate(lines)]
    lacking = [
        Shortage(product_id, quantity, available)
        for product_id, quantity in wanted.items()
        if (available := _total(free.get(product_id))) < quantity
    ]
    if lacking:
        return lacking
    return list(_deal_out(lines, _split(wanted, free)))


def _total(by_warehouse: Mapping[UUID, int] | None) -> int:
    return sum(pieces for pieces in by_warehouse.values() if pieces > 0) if by_warehouse else 0


def _with_everything(wanted: Mapping[UUID, int], free: Free) -> UUID | None:
    """A warehouse that can give all of it, the lowest id first: what `_split` would find, in a third of the time."""
    able: set[UUID] | None = None
    for product_id, quantity in wanted.items():
        by_warehouse = free.get(product_id, _NOTHING)
        enough = {warehouse_id for warehouse_id, available in by_warehouse.items() if available >= quantity}
        able = enough if able is None else able & enough
        if not able:
            return None
    return min(able) if able else None


def _split(wanted: Mapping[UUID, int], free: Free) -> dict[UUID, dict[UUID, int]]:
    """Product → warehouse → pieces. Warehouses that must give anyway give as much as they can, then the most useful.

    Greedy: the very least number of parcels is a set-cover problem, and not worth its time.
    """
    covers: dict[UUID, set[UUID]] = {}
    for product_id, quantity in wanted.items():
        for warehouse_id, available in free[product_id].items():
            if available >= quantity:
                covers.setdefault(warehouse_id, set()).add(product_id)
    coverable = set().union(*covers.values()) if covers else set()
    split = {
        product_id: _from_fullest(quantity, free[product_id])
        for product_id, quantity in wanted.items()
        if product_id not in coverable
    }
    left = coverable
    in_use = sorted({warehouse_id for by_warehouse in split.values() for warehouse_id in by_warehouse})
    while left:
        # The lowest id where two are equally useful, so that the same stock is always split the same way.
        warehouse_id = in_use.pop(0) if in_use else min(covers, key=lambda each: (-len(covers[each] & left), each))
        served = covers.get(warehouse_id, set()) & left
        split.update((product_id, {warehouse_id: wanted[product_id]}) for product_id in served)
        left = left - served
    return split


def _from_fullest(quantity: int, by_warehouse: Mapping[UUID, int]) -> dict[UUID, int]:
    """For what no single warehouse has enough of."""
    taken: dict[UUID, int] = {}
    for warehouse_id in sorted(by_warehouse, key=lambda each: (-by_warehouse[each], each)):
        piece = min(quantity, by_warehouse[warehouse_id])
        if piece > 0:
            taken[warehouse_id] = piece
            quantity -= piece
    return taken


def _deal_out(lines: Sequence[Wanted], split: Mapping[UUID, dict[UUID, int]]) -> Iterable[Share]:
    """Gives each line its part of its product's pieces; lines are never merged."""
    for position, (product_id, quantity) in enumerate(lines):
        pieces, missing = split[product_id], quantity
        for warehouse_id in list(pieces):
            part = min(missing, pieces[warehouse_id])
            yield Share(position, product_id, warehouse_id, part)
            missing -= part
            pieces[warehouse_id] -= part
            if not pieces[warehouse_id]:
                del pieces[warehouse_id]
            if not missing:
                break
