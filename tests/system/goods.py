"""Checks of goods: stock, reservations, parcels, and dispatched, lost and expired pieces."""

from collections import Counter, defaultdict
from typing import Any

from tests.system.sources import Books, Rows
from tests.system.verdict import Found, Kind, Violation, same

Place = tuple[Any, Any]

GOODS_DELIVERED = ("delivered", "returned")
"""Statuses of orders whose goods were delivered."""
DISPATCHED = ("dispatched", "delivered", "lost")


def violations(books: Books) -> Found:
    for check in (_stock, _expired, _copies, _deducted, _shipments, _parcels, _lost, _held):
        yield from check(books)


def all_lost(books: Books) -> set[str]:
    """The orders that have parcels, and all of whose parcels were lost."""
    return {id for id, statuses in _statuses(books).items() if set(statuses) == {"lost"}}


def worth_lost(books: Books) -> Counter[str]:
    """The price of the pieces in lost parcels, by order."""
    prices = {(str(order), str(product)): price for order, product, price in books.rows["prices"]}
    found: Counter[str] = Counter()
    for order, product, pieces in books.rows["lost_pieces"]:
        found[str(order)] += prices.get((str(order), str(product)), 0) * int(pieces)
    return found


def published(books: Books) -> dict[str, Counter[str]]:
    """By order: the notifications about its parcels."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in books.rows["parcels"]:
        if row["status"] in DISPATCHED:
            kinds = {"dispatched", row["status"]}
            found[str(row["order_id"])].update(f"shipment.{kind}" for kind in kinds)
            found[str(row["order_id"])]["shipment.corrected"] += row["corrections"]
    return found


def _stock(books: Books) -> Found:
    """Stock levels are the sums of the movements, of the reservations, and of the batches that expire."""
    moved, held = _by_place(books.rows["moved"]), _by_place(books.rows["held"])
    batches = {(product, warehouse): tuple(map(int, sums)) for product, warehouse, *sums in books.rows["batches"]}
    for product, warehouse, on_hand, reserved, dated, expired in books.rows["stock"]:
        place, name = (product, warehouse), f"stock of {product} in {warehouse}"
        if moved.pop(place, 0) != on_hand:
            yield Violation(Kind.OVERSOLD, f"{name}: {on_hand} on hand is not the sum of its movements")
        if held.pop(place, 0) != reserved:
            yield Violation(Kind.OVERSOLD, f"{name}: {reserved} reserved is not what reservations hold")
        if batches.get(place, (0, 0)) != (dated, expired):
            yield Violation(Kind.OVERSOLD, f"{name}: {dated} in batches, {expired} expired is not what batches are")
        if not on_hand >= reserved >= 0:
            yield Violation(Kind.OVERSOLD, f"{name}: {on_hand} on hand, {reserved} reserved")
    for place in moved.keys() | held.keys():
        yield Violation(Kind.OVERSOLD, f"moved or held without a stock row: {place}")


def _expired(books: Books) -> Found:
    """Pieces that had expired on receipt and were not scrapped are still in stock, and not reserved."""
    unfit: Counter[Place] = Counter()
    for product, warehouse, expires_on, came, there in books.rows["received_expired"]:
        unfit[product, warehouse] += max(0, int(came))
        if there < came:
            words = f"{came} of {expires_on} had expired on receipt, {there} are left"
            yield Violation(Kind.OVERSOLD, f"stock of {product} in {warehouse}: {words}")
    for product, warehouse, on_hand, reserved, *_ in books.rows["stock"]:
        if unfit[product, warehouse] and reserved > on_hand - unfit[product, warehouse]:
            words = f"{reserved} of {on_hand} are reserved, {unfit[product, warehouse]} were expired from the start"
            yield Violation(Kind.OVERSOLD, f"stock of {product} in {warehouse}: {words}")


def _copies(books: Books) -> Found:
    """The other services' copies of the available stock."""
    available: Counter[Any] = Counter()
    for product, _, on_hand, reserved, _, expired in books.rows["stock"]:
        available[product] += max(0, on_hand - expired - reserved)
    real = {str(id): level for id, level in available.items()}
    for name in ("levels_in_order", "levels_in_product"):
        for violation in same(name, {str(id): level for id, level in map(tuple, books.rows[name])}, real):
            yield Violation(Kind.OTHER, violation.text)


def _deducted(books: Books) -> Found:
    """The dispatched pieces of an order are those that were ordered, or none."""
    ordered: defaultdict[str, Counter[Any]] = defaultdict(Counter)
    for order, product, quantity in books.rows["lines"]:
        ordered[str(order)][product] = int(quantity)
    deducted: defaultdict[str, Counter[Any]] = defaultdict(Counter)
    for order, product, quantity in books.rows["deducted"]:
        deducted[str(order)][product] = int(quantity)
    lost = all_lost(books)
    for row in books.rows["orders"]:
        id = str(row["id"])
        wanted: Counter[Any] = ordered[id] if row["status"] in GOODS_DELIVERED or id in lost else Counter()
        if id in books.ledger.orders and deducted[id] != wanted:
            kind = Kind.DUPLICATED if deducted[id] - wanted else Kind.LOST
            words = f"{dict(deducted[id])} deducted, {dict(wanted)} ordered"
            yield Violation(kind, f"order {id} ({row['status']}): {words}")


def _shipments(books: Books) -> Found:
    """An order has one parcel from each warehouse."""
    for order, warehouse, count in books.rows["shipments"]:
        if count > 1:
            yield Violation(Kind.DUPLICATED, f"order {order}: {count} shipments of warehouse {warehouse}")


def _parcels(books: Books) -> Found:
    """The final status of each parcel fits that of its order: no parcel of a cancelled order is dispatched, unless all
    of its parcels were lost."""
    statuses = _statuses(books)
    for row in books.rows["orders"]:
        id, found = str(row["id"]), set(statuses[str(row["id"])])
        if id not in books.ledger.orders:
            continue
        if row["status"] in GOODS_DELIVERED:
            fits = "delivered" in found <= {"delivered", "lost"}
        else:
            fits = found <= {"cancelled"} or (row["status"] == "cancelled" and found == {"lost"})
        if not fits:
            kind = Kind.LOST if row["status"] in GOODS_DELIVERED else Kind.DUPLICATED
            yield Violation(kind, f"order {id} ({row['status']}): its parcels are {statuses[id]}")


def _lost(books: Books) -> Found:
    """Exactly the parcels that staff declared lost are lost."""
    found = {str(row["id"]) for row in books.rows["parcels"] if row["status"] == "lost" and _is_ours(books, row)}
    declared = {id for ids in books.ledger.lost.values() for id in ids}
    yield from (Violation(Kind.LOST, f"parcel {id}: declared lost, but not stored so") for id in declared - found)
    yield from (Violation(Kind.DUPLICATED, f"parcel {id}: lost without a declaration") for id in found - declared)


def _held(books: Books) -> Found:
    """An order in a final status holds no stock."""
    for order, pieces in books.rows["holding"]:
        if str(order) in books.ledger.orders:
            yield Violation(Kind.STUCK, f"order {order}: {pieces} pieces are still reserved for it")


def _statuses(books: Books) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in books.rows["parcels"]:
        found[str(row["order_id"])].append(row["status"])
    return found


def _is_ours(books: Books, row: Any) -> bool:
    return str(row["order_id"]) in books.ledger.orders


def _by_place(rows: Rows) -> dict[Place, int]:
    return {(product, warehouse): count for product, warehouse, count in rows}
