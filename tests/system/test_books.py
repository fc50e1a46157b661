"""The checker itself: books that agree stop to do so with any entry that is missing, doubled or moved."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.system.books import Books, agree, read, violations
from tests.system.crowd import Crowd, Ledger
from tests.system.world import World

REFUND = {"id": "1", "order_id": "2", "amount": 3, "status": "succeeded", "gateway_refund_id": "re_1"}


def _rows(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[Books], Books]:
    return lambda books: replace(books, rows={**books.rows, name: change(books.rows[name])})


def _ledger(key: str, *ids: str) -> Callable[[Books], Books]:
    def change(books: Books) -> Books:
        ledger = Ledger()
        ledger.answers.update(books.ledger.answers | {key: set(ids)})
        ledger.customers = books.ledger.customers
        return replace(books, ledger=ledger)

    return change


FAULTS: dict[str, Callable[[Books], Books]] = {
    "an order lost": _ledger("lost", "0199c1a0-5b00-7a10-8c00-000000000009"),
    "a key answered with two orders": _ledger("twice", "one", "two"),
    "a payment lost": _rows("payments", lambda rows: rows[1:]),
    "a refund that the gateway knows nothing of": _rows("refunds", lambda rows: [*rows, REFUND]),
    "stock without movements": _rows("moved", lambda rows: rows[1:]),
    "a movement without stock": _rows("stock", lambda rows: rows[1:]),
    "an outdated copy": _rows("levels_in_product", lambda rows: rows[1:]),
    "stock not deducted": _rows("deducted", lambda _: []),
    "a customer not told": _rows("told", lambda rows: rows[1:]),
    "an event not published": lambda books: replace(books, records=books.records[:-1]),
    "an event not committed": lambda books: replace(books, said=books.said[1:]),
    "events out of order": lambda books: replace(books, records=books.records[::-1]),
    "a second charge": lambda books: replace(
        books, charges=[*books.charges, {**books.charges[0], "id": "ch_2", "idempotency_key": "payment-2"}]
    ),
    "a webhook owed": lambda books: replace(books, webhooks={"owed": 1, "abandoned": 0}),
    "a dead letter": lambda books: replace(books, dead=books.records[:1]),
}


async def test_every_fault_is_named(world: World) -> None:
    crowd = Crowd(world, orders=24, customers=4)
    await crowd.prepare()
    await crowd.shop()
    await agree(world, crowd.ledger)
    books = await read(world, crowd.ledger)
    assert violations(books) == []
    assert [fault for fault, change in FAULTS.items() if not violations(change(books))] == []
