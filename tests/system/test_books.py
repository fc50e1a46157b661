"""The checker itself: books no longer agree with any entry that is missing, doubled or moved; its kind is named."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.system import returns
from tests.system.books import agree, violations
from tests.system.crowd import Ledger
from tests.system.fickle import FickleCrowd
from tests.system.sources import Books, read
from tests.system.verdict import Kind
from tests.system.world import World

REFUND = {
    "id": "1",
    "order_id": "2",
    "amount": 3,
    "status": "succeeded",
    "gateway_refund_id": "re_1",
    "return_id": None,
}


def _rows(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[Books], Books]:
    return lambda books: replace(books, rows={**books.rows, name: change(books.rows[name])})


def _ledger(key: str, *ids: str) -> Callable[[Books], Books]:
    def change(books: Books) -> Books:
        ledger = Ledger()
        ledger.answers.update(books.ledger.answers | {key: set(ids)})
        ledger.customers, ledger.verified = books.ledger.customers, books.ledger.verified
        ledger.called_off, ledger.refunds = books.ledger.called_off, books.ledger.refunds
        ledger.returns = books.ledger.returns
        return replace(books, ledger=ledger)

    return change


def _first(name: str, **values: Any) -> Callable[[Books], Books]:
    return _rows(name, lambda rows: [{**rows[0], **values}, *rows[1:]])


def _charged_again(books: Books) -> Books:
    again = {**books.charges[0], "id": "ch_2", "idempotency_key": "payment-2"}
    return replace(books, charges=[*books.charges, again])


def _quantity(row: Sequence[Any]) -> int:
    """Of a product in a warehouse; where that is nothing, a row that is missing is no fault."""
    quantity: int = row[2]
    return quantity


FAULTS: dict[str, tuple[Kind, Callable[[Books], Books]]] = {
    "an order lost": (Kind.LOST, _ledger("lost", "0199c1a0-5b00-7a10-8c00-000000000009")),
    "a key answered with two orders": (Kind.DUPLICATED, _ledger("twice", "one", "two")),
    "orders that stand still": (Kind.STUCK, _rows("orders", lambda rows: [{**row, "status": "paid"} for row in rows])),
    "a step that the table doesn't have": (
        Kind.OTHER,
        _rows("history", lambda rows: [*rows[:-1], (rows[-1][0], "last shipment.delivered", "pending", "delivered")]),
    ),
    "a step left out": (Kind.OTHER, _rows("history", lambda rows: [*rows[:1], *rows[2:]])),
    "a payment lost": (Kind.OTHER, _rows("payments", lambda rows: rows[1:])),
    "a refund that the gateway knows nothing of": (Kind.OTHER, _rows("refunds", lambda rows: [*rows, REFUND])),
    "money given back that no refund says": (Kind.OTHER, _first("orders", refunded=1)),
    "a second charge": (Kind.DUPLICATED, _charged_again),
    "money of a cancelled order kept": (
        Kind.LOST,
        _rows("orders", lambda rows: [{**row, "refunded": 0} for row in rows if row["status"] == "cancelled"]),
    ),
    "more given back than staff said": (
        Kind.DUPLICATED,
        _rows("orders", lambda rows: [{**row, "refunded": row["captured"]} for row in rows]),
    ),
    "cancelled by nobody": (
        Kind.STUCK,
        _rows("orders", lambda rows: [{**row, "status": "cancelled"} for row in rows if row["status"] == "delivered"]),
    ),
    "stock without movements": (Kind.OVERSOLD, _rows("moved", lambda rows: sorted(rows, key=_quantity)[:-1])),
    "a movement without stock": (Kind.OVERSOLD, _rows("stock", lambda rows: sorted(rows, key=_quantity)[:-1])),
    "stock below nothing": (Kind.OVERSOLD, _rows("stock", lambda rows: [(*rows[0][:2], -1, 0, 0, 0), *rows[1:]])),
    "expired goods that no batch has": (Kind.OVERSOLD, _rows("stock", lambda rows: [(*rows[0][:4], 1, 1), *rows[1:]])),
    "an outdated copy": (Kind.OTHER, _rows("levels_in_product", lambda rows: rows[1:])),
    "stock not deducted": (Kind.LOST, _rows("deducted", lambda _: [])),
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
        _rows("coming_back", lambda rows: [{**row, "received": 2 * (row["received"] or 0)} for row in rows]),
    ),
    "more returned than was ordered": (Kind.DUPLICATED, _rows("lines", lambda rows: [(*row[:2], 0) for row in rows])),
    "returned goods that nobody put back": (Kind.LOST, _rows("restocked", lambda _: [])),
    "returned goods put back twice": (
        Kind.DUPLICATED,
        _rows("restocked", lambda rows: [(*row[:2], 2 * row[2]) for row in rows]),
    ),
    "a parcel twice": (Kind.DUPLICATED, _rows("shipments", lambda rows: [(*rows[0][:2], 2), *rows[1:]])),
    "a customer not told": (Kind.LOST, _rows("told", lambda rows: rows[1:])),
    "a customer told twice": (Kind.DUPLICATED, _first("told", count=2)),
    "an e-mail lost": (Kind.LOST, lambda books: replace(books, mails=frozenset(list(books.mails)[1:]))),
    "an e-mail under another Message-ID": (
        Kind.DUPLICATED,
        lambda books: replace(books, mails=books.mails | {next(iter(books.mails)).replace(".email", ".again")}),
    ),
    "an event not published": (Kind.LOST, lambda books: replace(books, records=books.records[:-1])),
    "an event not committed": (Kind.OTHER, lambda books: replace(books, said=books.said[1:])),
    "events out of order": (Kind.OTHER, lambda books: replace(books, records=books.records[::-1])),
    "a webhook owed": (Kind.STUCK, lambda books: replace(books, webhooks={"owed": 1, "abandoned": 0})),
    "a dead letter": (Kind.OTHER, lambda books: replace(books, dead=books.records[:1])),
}


async def test_every_fault_is_named(world: World) -> None:
    crowd = FickleCrowd(world, orders=48, customers=4, verified=True)
    await crowd.prepare()
    await crowd.shop()
    await agree(world, crowd.ledger)
    books = await read(world, crowd.ledger)
    assert violations(books) == []
    returned = [row["status"] for row in books.rows["returns"] if str(row["order_id"]) in crowd.ledger.orders]
    assert set(returned) == {"refused", "withdrawn", "refunded"}
    assert "returned" in {row["status"] for row in books.rows["orders"]}
    found = {fault: {violation.kind for violation in violations(plant(books))} for fault, (_, plant) in FAULTS.items()}
    assert {fault: kinds for fault, kinds in found.items() if FAULTS[fault][0] not in kinds} == {}
    of_returns = {fault: FAULTS[fault] for fault in FAULTS if "return" in fault}
    for fault, (kind, plant) in of_returns.items():
        assert kind in {violation.kind for violation in returns.violations(plant(books))}, fault
