"""The books against the file: every penny, every piece, every line, every notification."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.replay.books import DELIVERED, OTHER_ENDS, REJECTED, Books, expected_notifications
from tools.replay.orders import Run, Way
from tools.replay.preparation import CURRENCY, Ready, email_of

Pair = tuple[Any, Any]
KEPT = {"payment_status": "paid", "fulfilment_status": "delivered"}
"""Of an order that came to its end as the file has it."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """`what` should be `expected`, and is `found`."""

    what: str
    expected: str
    found: str


def mismatches(run: Run, ready: Ready, books: Books) -> list[Mismatch]:
    """None: what the services say is what the file says."""
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
    """Order by order, so that two errors can't make each other good."""
    for way in run.ways:
        order = books.orders.get(way.order_id)
        if order is None:
            continue
        wanted = 0 if order["status"] == REJECTED else way.invoice.total
        captured = books.captured[way.order_id]
        if captured != wanted:
            yield Mismatch(f"{_name(way)}: captured, in pence", str(wanted), str(captured))


def _orders(run: Run, ready: Ready, books: Books) -> Iterator[Mismatch]:
    for way in run.ways:
        order = books.orders.get(way.order_id)
        if order is None:
            yield Mismatch(f"{_name(way)}: its order", "there", way.trouble or "not found")
            continue
        if order["status"] not in DELIVERED and order["status"] != REJECTED:
            found = order["status"] if order["status"] in OTHER_ENDS else f"stuck, {order['status']}"
            yield Mismatch(
                f"{_name(way)}: its end", "delivered or rejected", f"{found} ({way.trouble})".replace(" ()", "")
            )
        yield from _differences(way, ready, order)


def _differences(way: Way, ready: Ready, order: Mapping[str, Any]) -> Iterator[Mismatch]:
    """Between an order and its invoice."""
    expected = [(ready.products[line.sku], line.sku, line.quantity, line.unit_price) for line in way.invoice.lines]
    found = [
        (line["product_id"], line["sku"], line["quantity"], line["unit_price"]["amount"]) for line in order["lines"]
    ]
    if len(found) != len(expected):
        yield Mismatch(f"{_name(way)}: lines", str(len(expected)), str(len(found)))
    for position, (wanted, line) in enumerate(zip(expected, found, strict=False), start=1):
        if wanted != line:
            yield Mismatch(f"{_name(way)}: line {position}", str(wanted), str(line))
    whole: dict[str, Pair] = {
        "total": ({"amount": way.invoice.total, "currency": CURRENCY}, order["total"]),
        "customer": (ready.customers[email_of(way.invoice)], order["customer_id"]),
    }
    if order["status"] in DELIVERED:  # nothing of it was lost, or refunded
        for what, wanted_status in KEPT.items():
            whole[what] = wanted_status, order[what]
    for what, (wanted_value, value) in whole.items():
        if wanted_value != value:
            yield Mismatch(f"{_name(way)}: {what}", str(wanted_value), str(value))


def _notifications(run: Run, _: Ready, books: Books) -> Iterator[Mismatch]:
    """A step of an order that goes no further was told all the same, and nothing twice."""
    for way in run.ways:
        order = books.orders.get(way.order_id)
        if order is None:
            continue
        expected = expected_notifications(books, way.order_id)
        notified = books.notified.get(way.order_id, Counter[str]())
        for kind in sorted(expected.keys() | set(notified)):
            if notified.get(kind, 0) != expected[kind]:
                times = f"{notified.get(kind, 0)} times"
                yield Mismatch(f"{_name(way)}: its customer notified of {kind}", f"{expected[kind]} times", times)


def _name(way: Way) -> str:
    return f"invoice {way.invoice.number}" + (f" (order {way.number})" if way.number else "")
