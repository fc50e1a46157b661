"""The orders, payments, stock, ledger and notifications after a run, read from the APIs."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tools.api import Api, for_each

# Final statuses of an order in a replay. `completed`: delivered, and its return window has closed already.
DELIVERED, REJECTED = frozenset({"delivered", "completed"}), "rejected"
# Final statuses that a replay itself never causes, but that refunds, lost parcels or returns may cause meanwhile.
OTHER_ENDS = frozenset({"cancelled", "expired", "returned"})
# The most seconds to wait for missing events after the last one has arrived.
TIMEOUT_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
READING_AT_ONCE = 8
# For differences between the clocks of several machines.
MARGIN = timedelta(seconds=30)

Levels = Mapping[str, int]
Notified = Mapping[str, Counter[str]]


@dataclass(frozen=True, slots=True)
class Stock:
    """Pieces of each product in all warehouses together, and the lowest number of its levels."""

    on_hand: Levels
    lowest: Levels

    @property
    def units(self) -> int:
        return sum(self.on_hand.values())


@dataclass(slots=True)
class Books:
    """`captured` money, `failed` payments, `notified` and `parcels` by order, `received` and `deducted` by product."""

    before: Stock
    after: Stock
    received: Counter[str] = field(default_factory=Counter)
    deducted: Counter[str] = field(default_factory=Counter)
    orders: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    captured: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    notified: Notified = field(default_factory=dict)
    parcels: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Scope:
    """What to read: the run's orders with their numbers of parcels, its receipts, and the products of its file."""

    orders: Mapping[str, int]
    receipts: Collection[str]
    products: Collection[str]
    began: datetime
    quotes: bool = False
    """Whether orders are read with their quotes, which lists don't have."""


def expected_notifications(books: Books, order_id: str) -> Counter[str]:
    """The number of notifications of each kind about an order that is delivered or rejected."""
    if books.orders[order_id]["status"] == REJECTED:
        return Counter({"order.placed": 1, "order.rejected": 1})
    parcels = max(books.parcels[order_id], 1)
    notified = {
        "order.placed": 1,
        "order.awaiting_payment": 1,
        "order.paid": 1,
        "payment.failed": books.failed[order_id],
    }
    return Counter({**notified, "shipment.dispatched": parcels, "shipment.delivered": parcels})


async def read_stock(api: Api, products: Collection[str]) -> Stock:
    on_hand: Counter[str] = Counter()
    lowest: dict[str, int] = {}
    async for page in api.pages("inventory", "/stock"):
        for level in page:
            product = level["product_id"]
            if product in products:
                on_hand[product] += level["on_hand"]
                numbers = (level["on_hand"], level["reserved"], level["available"])
                lowest[product] = min(lowest.get(product, 0), *numbers)
    return Stock(on_hand, lowest)


async def read_books(api: Api, scope: Scope, before: Stock, advance: Callable[[int], None]) -> Books:
    """Reads everything in `scope`. Waits until the last orders have ended and the last notifications are there."""
    books = Books(before, before, parcels=Counter(scope.orders))
    await asyncio.gather(_read_ledger(api, scope, books), _read_orders(api, scope, books))
    books.after = await read_stock(api, scope.products)
    await _read_payments(api, scope, books)
    await _read_inboxes(api, scope, books, advance)
    return books


async def _read_orders(api: Api, scope: Scope, books: Books) -> None:
    async for order in _of_run(api, scope, "order", "/orders", sort="-created_at"):
        if order["id"] in scope.orders:
            books.orders[order["id"]] = order

    async def read(order_id: str) -> None:
        books.orders[order_id] = await api.get("order", f"/orders/{order_id}")

    def unfinished() -> list[str]:
        return [id for id in scope.orders if not _is_whole(books.orders.get(id), scope)]

    await _until_none(unfinished, read)


def _is_whole(order: Mapping[str, Any] | None, scope: Scope) -> bool:
    """Whether the order has ended, and has all that is compared: in a list, an order has only its first lines."""
    if (
        order is None
        or (scope.quotes and "quote" not in order)
        or order["status"] not in {*DELIVERED, REJECTED, *OTHER_ENDS}
    ):
        return False
    return len(order["lines"]) == int(order["line_count"])


async def _read_payments(api: Api, scope: Scope, books: Books) -> None:
    async for payment in _of_run(api, scope, "order", "/payments"):
        if payment["order_id"] in scope.orders:
            if payment["status"] == "succeeded":
                books.captured[payment["order_id"]] += payment["amount"]["amount"]
            books.failed[payment["order_id"]] += payment["status"] == "failed"


async def _read_ledger(api: Api, scope: Scope, books: Books) -> None:
    async for movement in _of_run(api, scope, "inventory", "/stock/movements"):
        if movement["order_id"] in scope.orders:
            books.deducted[movement["product_id"]] -= movement["quantity"]
        elif movement["receipt_id"] in scope.receipts:
            books.received[movement["product_id"]] += movement["quantity"]


async def _read_inboxes(api: Api, scope: Scope, books: Books, advance: Callable[[int], None]) -> None:
    """Reads each customer's notifications, and repeats that for customers who lack some."""
    notified: dict[str, Counter[str]] = {}
    books.notified = notified
    orders_of: dict[str, list[str]] = {}
    for order in books.orders.values():
        orders_of.setdefault(order["customer_id"], []).append(order["id"])

    async def read(customer: str) -> None:
        found: dict[str, Counter[str]] = {order: Counter() for order in orders_of[customer]}
        async for each in _of_run(api, scope, "notification", "/notifications", customer_id=customer):
            if each["order_id"] in found:
                found[each["order_id"]][each["kind"]] += 1
        notified.update(found)

    async def read_first(customer: str) -> None:
        await read(customer)
        advance(1)

    def lacking() -> list[str]:
        return [customer for customer, orders in orders_of.items() if any(_lacks(books, order) for order in orders)]

    await for_each(list(orders_of), read_first, at_once=READING_AT_ONCE)
    await _until_none(lacking, read)


def _lacks(books: Books, order_id: str) -> bool:
    """Whether a notification of a step is missing."""
    return bool(expected_notifications(books, order_id) - books.notified[order_id])


async def _of_run(api: Api, scope: Scope, service: str, path: str, **params: str) -> AsyncIterator[dict[str, Any]]:
    """The items of a list that is sorted newest first, without the pages that are older than the run."""
    async for page in api.pages(service, path, **params):
        for item in page:
            yield item
        if any(datetime.fromisoformat(item["created_at"]) < scope.began - MARGIN for item in page):
            return


async def _until_none(unfinished: Callable[[], list[str]], read: Callable[[str], Any]) -> None:
    """Reads unfinished items again, after growing pauses, until none is left or none has finished for a while."""
    left = unfinished()
    last_change_at, pause = time.monotonic(), FIRST_PAUSE
    while left and time.monotonic() - last_change_at < TIMEOUT_SECONDS:
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
        await for_each(left, read, at_once=READING_AT_ONCE)
        now_left = unfinished()
        if len(now_left) < len(left):
            last_change_at, pause = time.monotonic(), FIRST_PAUSE
        left = now_left
