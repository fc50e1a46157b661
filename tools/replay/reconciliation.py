"""Compares what the services report with the file: money, stock, orders and notifications."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.replay.books import DELIVERED, OTHER_ENDS, REJECTED, Books, expected_notifications
from tools.replay.orders import OrderProgress, Run
from tools.replay.preparation import CURRENCY, Ready, email_of

EXPECTED_STATUSES = {"payment_status": "paid", "fulfilment_status": "delivered"}
"""The statuses of a delivered order of which no part was lost or refunded."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """`what` should be `expected`, and is `found`."""

    what: str
    expected: str
    found: str


def mismatches(run: Run, ready: Ready, books: Books) -> list[Mismatch]:
    """Empty if the services agree with the file."""
    checks: tuple[Callable[[Run, Ready, Books], Iterator[Mismatch]], ...] = (_stock, _money, _orders, _notifications)
    return [mismatch for check in checks for mismatch in check(run, ready, books)]


def _stock(_: Run, ready: Ready, books: Books) -> Iterator[Mismatch]:
    for sku, product in ready.products.items():
        before, received = books.before.on_hand.get(product, 0), books.received[product]
        deducted, left = books.deducted[product], books.after.on_hand.get(product, 0)
        if before + received != deducted + left:
            yield Mismatch(
                f"stock of {sku}: before {before} + received {received}",
                f"{before + received}",
                f"{deducted + left} (deducted {deducted} + left {left})",
            )
        lowest = min(books.after.lowest.get(product, 0), before, received, deducted, left)
        if lowest < 0:
            yield Mismatch(f"stock of {sku}: its lowest number", "0 or more", str(lowest))


def _money(run: Run, _: Ready, books: Books) -> Iterator[Mismatch]:
    """Compares the money order by order, so that two errors can't cancel each other out."""
    for progress, order in _placed(run, books):
        wanted = 0 if order["status"] == REJECTED else progress.invoice.total
        yield from _compared(f"{_name(progress)}: captured, in pence", wanted, books.captured[progress.order_id])


def _orders(run: Run, ready: Ready, books: Books) -> Iterator[Mismatch]:
    for progress in run.orders:
        order = books.orders.get(progress.order_id)
        if order is None:
            yield Mismatch(f"{_name(progress)}: its order", "there", progress.trouble or "not found")
            continue
        if order["status"] not in DELIVERED and order["status"] != REJECTED:
            found = order["status"] if order["status"] in OTHER_ENDS else f"stuck, {order['status']}"
            yield Mismatch(
                f"{_name(progress)}: its end",
                "delivered or rejected",
                f"{found} ({progress.trouble})".replace(" ()", ""),
            )
        yield from _differences(progress, ready, order)


def _differences(progress: OrderProgress, ready: Ready, order: Mapping[str, Any]) -> Iterator[Mismatch]:
    """The differences between an order and its invoice."""
    name = _name(progress)
    expected = [(ready.products[line.sku], line.sku, line.quantity, line.unit_price) for line in progress.invoice.lines]
    found = [
        (line["product_id"], line["sku"], line["quantity"], line["unit_price"]["amount"]) for line in order["lines"]
    ]
    yield from _compared(f"{name}: lines", len(expected), len(found))
    for position, (wanted, line) in enumerate(zip(expected, found, strict=False), start=1):
        yield from _compared(f"{name}: line {position}", wanted, line)
    yield from _compared(f"{name}: total", {"amount": progress.invoice.total, "currency": CURRENCY}, order["total"])
    if ready.terms.tax_rates is not None:
        taxes = ready.terms.taxes(progress.invoice, order["ship_to"]["country"])
        yield from _compared(f"{name}: tax of its lines", taxes, [line["tax"] for line in order["quote"]["lines"]])
        yield from _compared(f"{name}: tax", sum(taxes), order["quote"]["tax"])
    yield from _compared(f"{name}: customer", ready.customers[email_of(progress.invoice)], order["customer_id"])
    if order["status"] in DELIVERED:
        for what, status in EXPECTED_STATUSES.items():
            yield from _compared(f"{name}: {what}", status, order[what])


def _notifications(run: Run, _: Ready, books: Books) -> Iterator[Mismatch]:
    """Customers are notified of each step exactly once, even for an order that did not reach its end."""
    for progress, _order in _placed(run, books):
        expected = expected_notifications(books, progress.order_id)
        notified = books.notified.get(progress.order_id, Counter[str]())
        for kind in sorted(expected.keys() | set(notified)):
            what = f"{_name(progress)}: its customer notified of {kind}"
            yield from _compared(what, f"{expected[kind]} times", f"{notified[kind]} times")


def _placed(run: Run, books: Books) -> Iterator[tuple[OrderProgress, Mapping[str, Any]]]:
    return ((progress, books.orders[progress.order_id]) for progress in run.orders if progress.order_id in books.orders)


def _compared(what: str, expected: object, found: object) -> Iterator[Mismatch]:
    if expected != found:
        yield Mismatch(what, str(expected), str(found))


def _name(progress: OrderProgress) -> str:
    return f"invoice {progress.invoice.number}" + (f" (order {progress.number})" if progress.number else "")
