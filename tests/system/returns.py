"""Checks of returns: compares ordered, approved, received, restocked and refunded pieces."""

from collections import Counter, defaultdict
from typing import Any

from tests.system.sources import Books
from tests.system.verdict import Found, Kind, Violation, kind_of, same

CANCELLED = ("rejected", "withdrawn", "closed")
AWAITED = ("approved", "received", "refunded", "closed")
IS_BACK = ("received", "refunded")
NOTIFIED = {
    "rejected": ["return.refused"],
    "approved": ["return.approved"],
    "closed": ["return.approved", "return.closed"],
    "received": ["return.approved", "return.received"],
    "refunded": ["return.approved", "return.received"],
}
"""The notifications that the customer has received, by the status of the return."""


def violations(books: Books) -> Found:
    for check in (_ends, _no_piece_twice, _expected, _received, _closed, _restocked, _refunded):
        yield from check(books)


def worth(books: Books) -> Counter[str]:
    """The price of the pieces that a warehouse received back, by order of the ledger."""
    prices = {(str(order), str(product)): price for order, product, price in books.rows["prices"]}
    found: Counter[str] = Counter()
    for id, came in books.ledger.returns.items():
        found[id] = sum(prices[id, product] * pieces for product, pieces in came.items())
    return found


def all_came_back(books: Books, id: str) -> bool:
    ordered = {str(product): int(count) for order, product, count in books.rows["lines"] if str(order) == id}
    return books.ledger.returns[id] == Counter(ordered)


def published(books: Books) -> dict[str, Counter[str]]:
    """By order: the notifications about its returns."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in books.rows["returns"]:
        found[str(row["order_id"])].update(NOTIFIED.get(row["status"], []))
    return found


def _ends(books: Books) -> Found:
    """Each return in the ledger is in a final status, and its received pieces are those that the warehouse booked."""
    came: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in books.rows["return_lines"]:
        came[str(row["order_id"])][str(row["product_id"])] += int(row["received"] or 0)
    for id in books.ledger.orders:
        handed = books.ledger.returns.get(id, Counter())
        if +came[id] != handed:
            kind = kind_of(came[id].total(), handed.total())
            yield Violation(kind, f"order {id}: {dict(+came[id])} came back, {dict(handed)} was handed in")
    for row in books.rows["returns"]:
        if str(row["order_id"]) in books.ledger.orders and row["status"] not in (*CANCELLED, "refunded"):
            yield Violation(Kind.STUCK, f"return {row['id']}: stuck, {row['status']}")


def _no_piece_twice(books: Books) -> Found:
    """No more is received than was approved, and no more is returned of an order than was ordered."""
    status = {row["id"]: row["status"] for row in books.rows["returns"]}
    held: Counter[Any] = Counter()
    for row in books.rows["return_lines"]:
        if (row["received"] or 0) > row["quantity"]:
            yield Violation(Kind.DUPLICATED, f"return {row['id']}: {row['received']} of {row['quantity']} came")
        if status.get(row["id"]) not in CANCELLED:
            pieces = row["received"] if status.get(row["id"]) in IS_BACK else row["quantity"]
            held[row["order_id"], row["product_id"]] += int(pieces or 0)
    ordered = {(order, product): int(count) for order, product, count in books.rows["lines"]}
    for place, pieces in held.items():
        if pieces > ordered.get(place, 0):
            yield Violation(Kind.DUPLICATED, f"{place}: {pieces} come back, {ordered.get(place, 0)} were ordered")


def _expected(books: Books) -> Found:
    """Inventory expects exactly the returns that staff have approved."""
    waiting = {row["id"] for row in books.rows["returns"] if row["status"] in AWAITED}
    ours = {_key(row): row["quantity"] for row in books.rows["expected"]}
    theirs = {_key(row): int(row["quantity"]) for row in books.rows["return_lines"] if row["id"] in waiting}
    yield from same("expected of a return", ours, theirs)


def _received(books: Books) -> Found:
    """The order service's copy of received pieces equals inventory's."""
    back = {row["id"] for row in books.rows["returns"] if row["status"] in IS_BACK}
    ours = {_key(row): int(row["received"] or 0) for row in books.rows["return_lines"] if row["id"] in back}
    theirs = {
        _key(row): row["restocked"] + row["scrapped"] for row in books.rows["expected"] if row["status"] == "received"
    }
    yield from same("received of a return", ours, theirs)


def _closed(books: Books) -> Found:
    """Exactly the returns that staff closed, since they never arrived, are closed in both services."""
    ours = {row["id"] for row in books.rows["returns"] if row["status"] == "closed"}
    theirs = {row["id"] for row in books.rows["expected"] if row["status"] == "closed"}
    for id in ours ^ theirs:
        yield Violation(Kind.STUCK, f"return {id}: closed {'only by order' if id in ours else 'only by inventory'}")
    orders = {str(row["order_id"]) for row in books.rows["returns"] if row["status"] == "closed"}
    for order_id in (orders & books.ledger.orders) ^ books.ledger.closed:
        yield Violation(Kind.OTHER, f"order {order_id}: closed return, by the databases or the ledger alone")


def _restocked(books: Books) -> Found:
    """The restocked pieces are those that the stock movements put back."""
    moved = {f"{id} {product}": int(count) for id, product, count in books.rows["restocked"]}
    restocked = {_key(row): row["restocked"] for row in books.rows["expected"] if row["restocked"]}
    yield from same("put back of a return", moved, restocked)


def _refunded(books: Books) -> Found:
    """Each received return is refunded once: its price, or what was left of the order's captured amount."""
    asked: Counter[Any] = Counter()
    for row in books.rows["refunds"]:
        if row["status"] != "failed" and row["return_id"]:
            asked[row["return_id"]] += row["amount"]
    value: Counter[Any] = Counter()
    for row in books.rows["return_lines"]:
        value[row["id"]] += int(row["worth"] or 0)
    for row in books.rows["returns"]:
        wanted = (row["to_refund"] or 0) if row["status"] in IS_BACK else 0
        if asked[row["id"]] != wanted:
            words = f"{asked[row['id']]} refunded, should be {wanted}"
            yield Violation(kind_of(asked[row["id"]], wanted), f"return {row['id']}: {words}")
        if row["status"] in IS_BACK and not wanted <= row["worth"] == value[row["id"]]:
            yield Violation(Kind.OTHER, f"return {row['id']}: {wanted} of {row['worth']}, worth {value[row['id']]}")


def _key(row: Any) -> str:
    return f"{row['id']} {row['product_id']}"
