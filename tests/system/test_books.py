"""Tests of the check itself: it reports a missing, duplicated or changed entry, with the kind of the violation."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from tests.system import planted_prices, prices, returns
from tests.system.books import agree, violations
from tests.system.customers import Checkout
from tests.system.irregular import IrregularCustomers
from tests.system.sources import Books, read
from tests.system.verdict import Kind
from tests.system.world import World

REFUND = {
    "id": "1",
    "order_id": "2",
    "amount": 3,
    "status": "succeeded",
    "gateway": "sandbox",
    "gateway_refund_id": "re_1",
    "return_id": None,
}


def _rows(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[Books], Books]:
    return lambda books: replace(books, rows={**books.rows, name: change(books.rows[name])})


def _ledger(key: str, *ids: str) -> Callable[[Books], Books]:
    return lambda books: _answered(books, {key: set(ids)})


def _answered(books: Books, answers: dict[str, set[str]]) -> Books:
    ledger = copy(books.ledger)
    ledger.answers = defaultdict(set, books.ledger.answers | answers)
    return replace(books, ledger=ledger)


def _first(name: str, **values: Any) -> Callable[[Books], Books]:
    return _rows(name, lambda rows: [{**rows[0], **values}, *rows[1:]])


def _charged_again(books: Books) -> Books:
    captured = next(charge for charge in books.charges if charge["captured"])
    again = {**captured, "id": "ch_2", "idempotency_key": "payment-2"}
    return replace(books, charges=[*books.charges, again])


def _quantity(row: Sequence[Any]) -> int:
    """Of a product in a warehouse; if it is zero, a missing row is no violation."""
    quantity: int = row[2]
    return quantity


FAULTS: dict[str, tuple[Kind, Callable[[Books], Books]]] = {
    "a lost order": (Kind.LOST, _ledger("lost", "0199c1a0-5b00-7a10-8c00-000000000009")),
    "a key answered with two orders": (Kind.DUPLICATED, _ledger("twice", "one", "two")),
    "orders that are stuck": (Kind.STUCK, _rows("orders", lambda rows: [{**row, "status": "paid"} for row in rows])),
    "a change of status that is not allowed": (
        Kind.OTHER,
        _rows("history", lambda rows: [*rows[:-1], (rows[-1][0], "last shipment.delivered", "pending", "delivered")]),
    ),
    "a missing change of status": (Kind.OTHER, _rows("history", lambda rows: [*rows[:1], *rows[2:]])),
    "a missing payment": (Kind.OTHER, _rows("payments", lambda rows: rows[1:])),
    "a refund that the gateway does not know": (Kind.OTHER, _rows("refunds", lambda rows: [*rows, REFUND])),
    "a refunded amount without a refund": (Kind.OTHER, _first("orders", refunded=1)),
    "a second charge": (Kind.DUPLICATED, _charged_again),
    "a cancelled order that is not refunded": (
        Kind.LOST,
        _rows("orders", lambda rows: [{**row, "refunded": 0} for row in rows if row["status"] == "cancelled"]),
    ),
    "more refunded than staff requested": (
        Kind.DUPLICATED,
        _rows("orders", lambda rows: [{**row, "refunded": row["captured"]} for row in rows]),
    ),
    "a cancelled order without a cancellation": (
        Kind.STUCK,
        _rows("orders", lambda rows: [{**row, "status": "cancelled"} for row in rows if row["status"] == "delivered"]),
    ),
    "stock without movements": (Kind.OVERSOLD, _rows("moved", lambda rows: sorted(rows, key=_quantity)[:-1])),
    "a movement without stock": (Kind.OVERSOLD, _rows("stock", lambda rows: sorted(rows, key=_quantity)[:-1])),
    "negative stock": (Kind.OVERSOLD, _rows("stock", lambda rows: [(*rows[0][:2], -1, 0, 0, 0), *rows[1:]])),
    "expired goods without a batch": (Kind.OVERSOLD, _rows("stock", lambda rows: [(*rows[0][:4], 1, 1), *rows[1:]])),
    "an outdated copy": (Kind.OTHER, _rows("levels_in_product", lambda rows: rows[1:])),
    "dispatched stock that is not deducted": (Kind.LOST, _rows("deducted", lambda _: [])),
    "stock deducted twice": (
        Kind.DUPLICATED,
        _rows("deducted", lambda rows: [(order, product, 2 * quantity) for order, product, quantity in rows]),
    ),
    "a return that is not refunded": (
        Kind.LOST,
        _rows("refunds", lambda rows: [row for row in rows if not row["return_id"]]),
    ),
    "a return refunded twice": (
        Kind.DUPLICATED,
        _rows("refunds", lambda rows: [*rows, *(row for row in rows if row["return_id"])]),
    ),
    "a return that staff never decided": (
        Kind.STUCK,
        _rows("returns", lambda rows: [{**row, "status": "requested"} for row in rows]),
    ),
    "a return that inventory does not expect": (Kind.LOST, _rows("expected", lambda rows: rows[1:])),
    "a return received twice": (
        Kind.DUPLICATED,
        _rows("return_lines", lambda rows: [{**row, "received": 2 * (row["received"] or 0)} for row in rows]),
    ),
    "more returned than was ordered": (Kind.DUPLICATED, _rows("lines", lambda rows: [(*row[:2], 0) for row in rows])),
    "returned goods that are not put back": (Kind.LOST, _rows("restocked", lambda _: [])),
    "returned goods put back twice": (
        Kind.DUPLICATED,
        _rows("restocked", lambda rows: [(*row[:2], 2 * row[2]) for row in rows]),
    ),
    "a duplicate parcel": (Kind.DUPLICATED, _rows("shipments", lambda rows: [(*rows[0][:2], 2), *rows[1:]])),
    "a missing notification": (Kind.LOST, _rows("notified", lambda rows: rows[1:])),
    "a duplicate notification": (
        Kind.DUPLICATED,
        _rows("notified", lambda rows: [{**rows[0], "count": rows[0]["count"] + 1}, *rows[1:]]),
    ),
    "a lost e-mail": (Kind.LOST, lambda books: replace(books, mails=frozenset(list(books.mails)[1:]))),
    "no e-mail about a first failed payment": (
        Kind.LOST,
        _rows(
            "mail_deliveries",
            lambda rows: [{**row, "status": None} if row["kind"] == "payment.failed" else row for row in rows],
        ),
    ),
    "an e-mail under another Message-ID": (
        Kind.DUPLICATED,
        lambda books: replace(books, mails=books.mails | {next(iter(books.mails)).replace(".email", ".again")}),
    ),
    "an event not published": (Kind.LOST, lambda books: replace(books, records=books.records[:-1])),
    "an event not committed": (Kind.OTHER, lambda books: replace(books, committed=books.committed[1:])),
    "events out of order": (Kind.OTHER, lambda books: replace(books, records=books.records[::-1])),
    "a webhook that is not delivered": (Kind.STUCK, lambda books: replace(books, webhooks={"owed": 1, "abandoned": 0})),
    "a dead letter": (Kind.OTHER, lambda books: replace(books, dead=books.records[:1])),
}


def _tabs(books: Books) -> Checkout:
    """A cart with attempts by two keys, one of which was rejected."""
    return next(each for each in books.ledger.checkouts if len(set(each.keys)) == 2 and not each.outdated)


def _ordered_from_both_tabs(books: Books) -> Books:
    """Both tabs placed an order, each of which is correct by itself: answered, paid and delivered."""
    [rejected] = [key for key in _tabs(books).keys if key not in books.ledger.answers]
    ours = {
        id for checkout in books.ledger.checkouts for key in checkout.keys for id in books.ledger.answers.get(key, ())
    }
    return _answered(books, {rejected: {min(books.ledger.orders - ours)}})


def _repeated_request(books: Books) -> Books:
    checkout = next(each for each in books.ledger.checkouts if len(each.keys) == 2 and len(set(each.keys)) == 1)
    ours = books.ledger.answers[checkout.keys[0]]
    return _answered(books, {checkout.keys[0]: ours | {min(books.ledger.orders - ours)}})


def _outdated_cart_ordered(books: Books) -> Books:
    """The order that was placed from the changed cart has the contents of the outdated one."""
    checkout = next(each for each in books.ledger.checkouts if each.outdated)
    old, new = checkout.keys
    answers = {old: books.ledger.answers[new]}
    found = _answered(books, answers)
    del found.ledger.answers[new]
    return found


def _order(change: Callable[[Any], dict[str, Any]], which: Callable[[Books], set[str]]) -> Callable[[Books], Books]:
    """Changes one of these orders."""

    def break_books(books: Books) -> Books:
        chosen = min(which(books))

        def altered(row: Any) -> Any:
            return {**row, **change(row)} if str(row["id"]) == chosen else row

        return _rows("orders", lambda rows: [altered(row) for row in rows])(books)

    return break_books


def _refunded_before_dispatch(books: Books) -> set[str]:
    return books.ledger.stopped


def _delivered_nevertheless(books: Books) -> Books:
    chosen = min(books.ledger.stopped)

    def send(row: Any) -> Any:
        return {**row, "status": "delivered"} if str(row["order_id"]) == chosen else row

    return _rows("parcels", lambda rows: [send(row) for row in rows])(books)


def _still_holding(books: Books) -> Books:
    """The sums within inventory agree with each other."""
    return _rows("holding", lambda rows: [*rows, (min(books.ledger.stopped), 2)])(books)


def _parcels(was: str, **values: Any) -> Callable[[Books], Books]:
    return _rows("parcels", lambda rows: [{**row, **values} if row["status"] == was else row for row in rows])


def _lost_and_back(books: Books) -> Books:
    order, product, pieces = books.rows["lost_pieces"][0]
    return _rows("restocked", lambda rows: [*rows, (order, product, pieces)])(books)


def _notified_count(kind: str, count: int) -> Callable[[Books], Books]:
    return _rows("notified", lambda rows: [{**row, "count": count} if row["kind"] == kind else row for row in rows])


def _expired_reserved(books: Books) -> Books:
    """Reserves all pieces of a product, including those that had expired on receipt."""
    product, warehouse, *_ = books.rows["received_expired"][0]
    place = product, warehouse
    return _rows(
        "stock", lambda rows: [(*row[:3], row[2], *row[4:]) if tuple(row[:2]) == place else row for row in rows]
    )(books)


def _closed_refunded(books: Books) -> Books:
    closed = next(row for row in books.rows["returns"] if row["status"] == "closed")
    again = {**REFUND, "order_id": closed["order_id"], "return_id": closed["id"]}
    return _rows("refunds", lambda rows: [*rows, again])(books)


FAULTS_OF_CUSTOMERS: dict[str, tuple[str, Callable[[Books], Books]]] = {
    "a cart ordered from both tabs": ("duplicated: a cart was ordered as 2 orders", _ordered_from_both_tabs),
    "a cart ordered by a repeated request": ("duplicated: a cart was ordered as 2 orders", _repeated_request),
    "an ordered cart without an order": (
        "lost: a cart was ordered as 0 orders",
        lambda books: _answered(books, {key: set() for key in _tabs(books).keys}),
    ),
    "an outdated cart ordered": ("placed from a cart that had changed", _outdated_cart_ordered),
    "a total that the customer was not shown": (
        "its customer was shown",
        _order(lambda row: {"total": row["total"] + 1}, lambda books: books.ledger.orders),
    ),
    "refunded in full and delivered": ("(cancelled): its parcels are ['delivered'", _delivered_nevertheless),
    "refunded in full and not cancelled": (
        "(delivered)",
        _order(lambda _: {"status": "delivered"}, _refunded_before_dispatch),
    ),
    "refunded in full and again when cancelled": (
        "refunded, should be",
        _order(lambda row: {"refunded": 2 * row["refunded"]}, _refunded_before_dispatch),
    ),
    "refunded in full and still reserved": ("are still reserved for it", _still_holding),
    "a lost parcel not refunded": (
        "0 refunded, should be",
        _order(lambda _: {"refunded": 0}, lambda books: set(books.ledger.lost)),
    ),
    "a lost parcel refunded twice": (
        "refunded, should be",
        _order(lambda row: {"refunded": 2 * row["refunded"]}, lambda books: set(books.ledger.lost)),
    ),
    "a parcel lost without a declaration": ("lost without a declaration", _parcels("delivered", status="lost")),
    "a lost parcel that arrives": ("declared lost, but not stored so", _parcels("lost", status="delivered")),
    "goods of a lost parcel put back": ("put back of a return", _lost_and_back),
    "a lost parcel without a notification": ("its customer was notified of", _notified_count("shipment.lost", 0)),
    "too many notifications of a correction": (
        "its customer was notified of",
        _notified_count("shipment.corrected", 9),
    ),
    "expired goods sold": (
        "had expired on receipt",
        _rows("received_expired", lambda rows: [(*rows[0][:4], rows[0][4] - 1), *rows[1:]]),
    ),
    "expired goods reserved": ("expired from the start", _expired_reserved),
    "a refund of a return that never arrived": ("3 refunded, should be 0", _closed_refunded),
    "a return that never arrived, but is expected": (
        "closed only by order",
        _rows(
            "expected",
            lambda rows: [{**row, "status": "expected"} if row["status"] == "closed" else row for row in rows],
        ),
    ),
}
"""Changes of the books, each with a part of the violation that must be reported."""


async def test_every_fault_is_named(world: World) -> None:
    customers = IrregularCustomers(world, orders=60, customers=4, verified=True)
    customers.codes = await prices.configure(world)
    await customers.prepare()
    await customers.buy()
    await agree(world, customers.ledger)
    books = await read(world, customers.ledger)
    assert violations(books) == []
    returned = [row["status"] for row in books.rows["returns"] if str(row["order_id"]) in customers.ledger.orders]
    assert set(returned) == {"rejected", "withdrawn", "refunded", "closed"}
    assert "returned" in {row["status"] for row in books.rows["orders"]}
    found = {
        fault: {violation.kind for violation in violations(break_books(books))}
        for fault, (_, break_books) in FAULTS.items()
    }
    assert {fault: kinds for fault, kinds in found.items() if FAULTS[fault][0] not in kinds} == {}
    of_returns = {fault: FAULTS[fault] for fault in FAULTS if "return" in fault}
    for fault, (kind, break_books) in of_returns.items():
        assert kind in {violation.kind for violation in returns.violations(break_books(books))}, fault
    for fault, (words, break_books) in {**FAULTS_OF_CUSTOMERS, **planted_prices.FAULTS}.items():
        texts = [str(violation) for violation in violations(break_books(books))]
        assert any(words in text for text in texts), f"{fault}: {texts[:5]}"
