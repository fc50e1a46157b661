"""Decides which warehouses supply an order: all of its lines or none, in few parcels. It uses no database."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

Free = Mapping[UUID, Mapping[UUID, int]]
"""The available stock: product → warehouse → pieces. It is negative where reserved pieces have expired."""


_NOTHING: Mapping[UUID, int] = MappingProxyType({})


class Wanted(NamedTuple):
    """One line of an order."""

    product_id: UUID
    quantity: int


class Share(NamedTuple):
    """Pieces from one warehouse for the order's line `position`, counted from 0."""

    position: int
    product_id: UUID
    warehouse_id: UUID
    quantity: int


class Shortage(NamedTuple):
    """A product with too little available stock. `requested` is the sum over the order's lines."""

    product_id: UUID
    requested: int
    available: int


def allocate(lines: Sequence[Wanted], free: Free) -> list[Share] | list[Shortage]:
    """The shares of all lines, or, if any product lacks stock, all products that do. `free` is only read.

    A product with several lines needs stock for their sum; each line gets shares of its own.
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
        if (available := sum(pieces for pieces in free.get(product_id, _NOTHING).values() if pieces > 0)) < quantity
    ]
    if lacking:
        return lacking
    return list(_distribute(lines, _split(wanted, free)))


def only(warehouse_id: UUID, lines: Sequence[Wanted], free: Free) -> Free:
    """What is available of the lines' products in one warehouse."""
    return {
        product_id: {warehouse_id: free[product_id][warehouse_id]}
        for product_id, _ in lines
        if warehouse_id in free.get(product_id, _NOTHING)
    }


def _with_everything(wanted: Mapping[UUID, int], free: Free) -> UUID | None:
    """Of the warehouses that have everything, the one with the lowest id. `_split` would find it too, but slower."""
    able: set[UUID] | None = None
    for product_id, quantity in wanted.items():
        by_warehouse = free.get(product_id, _NOTHING)
        enough = {warehouse_id for warehouse_id, available in by_warehouse.items() if available >= quantity}
        able = enough if able is None else able & enough
        if not able:
            return None
    return min(able) if able else None


def _split(wanted: Mapping[UUID, int], free: Free) -> dict[UUID, dict[UUID, int]]:
    """Product → warehouse → pieces. Chooses the warehouses that must send a parcel anyway, and then, one by one, the
    warehouse that covers most of the remaining products.

    This is greedy: finding the smallest number of parcels is a set-cover problem, which would take too long.
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
        # The lowest id decides between warehouses with equal coverage, so that the same stock is always split equally.
        warehouse_id = in_use.pop(0) if in_use else min(covers, key=lambda each: (-len(covers[each] & left), each))
        served = covers.get(warehouse_id, set()) & left
        split.update((product_id, {warehouse_id: wanted[product_id]}) for product_id in served)
        left = left - served
    return split


def _from_fullest(quantity: int, by_warehouse: Mapping[UUID, int]) -> dict[UUID, int]:
    """Splits a product of which no single warehouse has enough, starting with the largest stock."""
    taken: dict[UUID, int] = {}
    for warehouse_id in sorted(by_warehouse, key=lambda each: (-by_warehouse[each], each)):
        piece = min(quantity, by_warehouse[warehouse_id])
        if piece > 0:
            taken[warehouse_id] = piece
            quantity -= piece
    return taken


def _distribute(lines: Sequence[Wanted], split: Mapping[UUID, dict[UUID, int]]) -> Iterable[Share]:
    """Distributes each product's pieces over its lines, which are never merged."""
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
