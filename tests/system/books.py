"""The shop's books held against each other: five databases, the gateway's, and the topics. Differences are named.

What concerns the orders of a crowd's ledger is checked to the end of their way; stock, money and events are checked for
the whole shop, whoever used it before.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from contracts.events import by_type
from contracts.topics import TOPICS
from local_stack.parts import SERVICES
from local_stack.shop import Shop
from tests.system.crowd import Ledger
from tests.system.log import Record, records_of
from tests.system.world import World, until

Rows = list[asyncpg.Record]
Place = tuple[Any, Any]

QUERIES: dict[str, tuple[str, str]] = {
    "orders": ("order", "SELECT id, user_id, status, total, standing_still FROM orders"),
    "lines": ("order", "SELECT order_id, product_id, sum(quantity) FROM order_lines GROUP BY 1, 2"),
    "payments": ("order", "SELECT id, order_id, amount, status, gateway, gateway_charge_id FROM payments"),
    "refunds": ("order", "SELECT id, order_id, amount, status, gateway, gateway_refund_id FROM refunds"),
    "levels_in_order": ("order", "SELECT product_id, available FROM stock_levels"),
    "levels_in_product": ("product", "SELECT product_id, available FROM availability"),
    "stock": ("inventory", "SELECT product_id, warehouse_id, on_hand, reserved FROM stock"),
    "moved": ("inventory", "SELECT product_id, warehouse_id, sum(quantity) FROM stock_movements GROUP BY 1, 2"),
    "held": ("inventory", "SELECT product_id, warehouse_id, sum(quantity) FROM reservation_lines GROUP BY 1, 2"),
    "deducted": (
        "inventory",
        "SELECT order_id, product_id, -sum(quantity) FROM stock_movements WHERE kind = 'dispatch' GROUP BY 1, 2",
    ),
    "parcels": ("inventory", "SELECT order_id, count(*) FROM shipments WHERE status = 'delivered' GROUP BY 1"),
    "told": ("notification", "SELECT order_id, kind, count(told_at) FROM notifications GROUP BY 1, 2"),
}
SAID = "SELECT event_id, type, published_at IS NOT NULL AS published FROM outbox"
PARKED = "SELECT type, error FROM parked_events"


@dataclass(frozen=True)
class Books:
    """`rows` by their names in QUERIES; `said` (outboxes) and `parked` of all services together."""

    ledger: Ledger
    rows: dict[str, Rows]
    said: Rows
    parked: Rows
    charges: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    webhooks: dict[str, int]
    records: list[Record]
    dead: list[Record]


async def agree(world: World, ledger: Ledger) -> None:
    """The books agree as soon as all is said and heard. Fails with what is wrong with them."""
    found: list[str] = []

    async def holds() -> bool:
        found[:] = violations(await read(world, ledger))
        return not found

    try:
        await until("the books agree", holds)
    except AssertionError:
        assert found[:20] == [], f"{len(found)} violations"
        raise


def violations(books: Books) -> list[str]:
    checks = (_accepted, _money, _gateway, _stock, _copies, _deducted, _told, _events)
    return [violation for check in checks for violation in check(books)]


async def read(world: World, ledger: Ledger) -> Books:
    """The topics last: whatever is in them by then must have been said, and the other way round."""
    rows: dict[str, Rows] = {}
    said: Rows = []
    parked: Rows = []
    for service in SERVICES:
        database = await asyncpg.connect(world.shop.database_url(service.name))
        try:
            for name, (owner, query) in QUERIES.items():
                if owner == service.name:
                    rows[name] = await database.fetch(query)
            said += await database.fetch(SAID)
            parked += await database.fetch(PARKED)
        finally:
            await database.close()
    charges, refunds, webhooks = await _gateway_books(world.shop, world.http)
    records = await records_of(world.shop.bootstrap_servers)
    dead = await records_of(world.shop.bootstrap_servers, topics=[topic.dlq for topic in TOPICS])
    return Books(ledger, rows, said, parked, charges, refunds, webhooks, records, dead)


async def _gateway_books(
    shop: Shop, http: httpx.AsyncClient
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, int]]:
    found: dict[str, list[dict[str, Any]]] = {"charges": [], "refunds": []}
    cursors: dict[str, str] = {}
    headers = {"Authorization": f"Bearer {shop.settings['GATEWAY_API_KEY']}"}
    while True:
        answer = await http.get(f"{shop.url('gateway')}/books", params={"limit": 1000, **cursors}, headers=headers)
        answer.raise_for_status()
        body = answer.json()
        for name, items in found.items():
            known = {item["id"] for item in items}
            items += [item for item in body[name]["items"] if item["id"] not in known]
        cursors = {f"{name}_cursor": body[name]["next"] for name in found if body[name]["next"]}
        if not cursors:
            return found["charges"], found["refunds"], body["webhooks"]


def _accepted(books: Books) -> Iterator[str]:
    """Every order that was answered is there once, no other is, and each has come to its end."""
    orders = {str(row["id"]): row for row in books.rows["orders"]}
    for key, ids in books.ledger.answers.items():
        if len(ids) != 1:
            yield f"order {key}: answered with {len(ids)} orders: {sorted(ids)}"
    for id in books.ledger.orders:
        if id not in orders:
            yield f"order {id}: accepted and lost"
        elif orders[id]["status"] not in ("delivered", "rejected") or orders[id]["standing_still"]:
            yield f"order {id}: stands still, {orders[id]['status']} ({orders[id]['standing_still']})"
    for id, row in orders.items():
        if str(row["user_id"]) in books.ledger.customers and id not in books.ledger.orders:
            yield f"order {id}: nobody was told of it ({row['status']})"


def _money(books: Books) -> Iterator[str]:
    """One succeeded charge of the whole total for each delivered order, none for a rejected one."""
    charged: defaultdict[str, list[int]] = defaultdict(list)
    for charge in books.charges:
        if charge["status"] == "succeeded":
            charged[charge["reference"]].append(charge["amount"])
    for row in books.rows["orders"]:
        id = str(row["id"])
        wanted = [row["total"]] if row["status"] == "delivered" else []
        if id in books.ledger.orders and charged[id] != wanted:
            yield f"order {id} ({row['status']}): charged {charged[id]}, should be {wanted}"


def _gateway(books: Books) -> Iterator[str]:
    """Each charge is a payment and each of its refunds one of ours, of the same amount and outcome."""
    ours = [row for row in books.rows["payments"] if row["gateway"] == "sandbox"]
    yield from _same(
        "payment",
        {
            f"payment-{row['id']}": (row["status"], row["amount"], row["gateway_charge_id"])
            for row in ours
            if row["status"] != "failed" or row["gateway_charge_id"]
        },
        {
            charge["idempotency_key"]: (
                {"declined": "failed"}.get(charge["status"], charge["status"]),
                charge["amount"],
                charge["id"],
            )
            for charge in books.charges
        },
    )
    yield from _same(
        "refund",
        {f"refund-{row['id']}": (row["amount"], row["gateway_refund_id"]) for row in books.rows["refunds"]},
        {refund["idempotency_key"]: (refund["amount"], refund["id"]) for refund in books.refunds},
    )
    unsettled = [row for row in [*ours, *books.rows["refunds"]] if row["status"] in ("pending", "requested")]
    yield from (f"payment or refund {row['id']}: not settled" for row in unsettled)
    if any(books.webhooks.values()):
        yield f"webhooks: {books.webhooks}"


def _stock(books: Books) -> Iterator[str]:
    """The ledger's sums are the stock, and what is reserved is what reservations hold."""
    moved, held = _by_place(books.rows["moved"]), _by_place(books.rows["held"])
    for product, warehouse, on_hand, reserved in books.rows["stock"]:
        place, name = (product, warehouse), f"stock of {product} in {warehouse}"
        if moved.pop(place, 0) != on_hand:
            yield f"{name}: {on_hand} on hand is not the sum of its movements"
        if held.pop(place, 0) != reserved:
            yield f"{name}: {reserved} reserved is not what reservations hold"
        if not on_hand >= reserved >= 0:
            yield f"{name}: {on_hand} on hand, {reserved} reserved"
    yield from (f"moved or held without a stock row: {place}" for place in moved.keys() | held.keys())


def _copies(books: Books) -> Iterator[str]:
    """What the other services believe to be available."""
    available: Counter[Any] = Counter()
    for product, _, on_hand, reserved in books.rows["stock"]:
        available[product] += on_hand - reserved
    for name in ("levels_in_order", "levels_in_product"):
        copy = dict(tuple(row) for row in books.rows[name])
        yield from _same(
            name, {str(id): level for id, level in copy.items()}, {str(k): v for k, v in available.items()}
        )


def _deducted(books: Books) -> Iterator[str]:
    """What left the warehouses for an order is what was ordered, or nothing."""
    ordered: defaultdict[str, dict[Any, int]] = defaultdict(dict)
    for order, product, quantity in books.rows["lines"]:
        ordered[str(order)][product] = quantity
    deducted: defaultdict[str, dict[Any, int]] = defaultdict(dict)
    for order, product, quantity in books.rows["deducted"]:
        deducted[str(order)][product] = quantity
    for row in books.rows["orders"]:
        id = str(row["id"])
        wanted = ordered[id] if row["status"] == "delivered" else {}
        if id in books.ledger.orders and deducted[id] != wanted:
            yield f"order {id} ({row['status']}): {deducted[id]} deducted, {wanted} ordered"


def _told(books: Books) -> Iterator[str]:
    """Every customer is told of each step once."""
    steps = Counter((record.key, _kind(record)) for record in _once(books.records) if _is_told(record))
    told = Counter({(str(row["order_id"]), row["kind"]): row["count"] for row in books.rows["told"]})
    yield from _same("told of", {str(k): n for k, n in told.items()}, {str(k): n for k, n in steps.items()})
    by_order: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (id, kind), count in told.items():
        if kind != "payment.failed":  # a try that was not charged because of a crash: told, and followed by another
            by_order[id][kind] = count
    parcels = {str(order): count for order, count in books.rows["parcels"]}
    for row in books.rows["orders"]:
        id = str(row["id"])
        wanted = Counter({"order.placed": 1, "order.rejected": 1})
        if row["status"] == "delivered":
            wanted = Counter({"order.placed": 1, "order.awaiting_payment": 1, "order.paid": 1})
            wanted.update({"shipment.dispatched": parcels.get(id, 1), "shipment.delivered": parcels.get(id, 1)})
        if id in books.ledger.orders and by_order[id] != wanted:
            yield f"order {id} ({row['status']}): its customer was told {dict(by_order[id])}"


def _events(books: Books) -> Iterator[str]:
    """What was committed was published and nothing else, an aggregate's events in order; nothing was given up."""
    published = {record.id: record for record in books.records}
    said = {str(row["event_id"]): row for row in books.said}
    yield from (f"{said[id]['type']} {id}: committed, not on its topic" for id in said.keys() - published.keys())
    yield from (f"{published[id].type} {id}: published, not committed" for id in published.keys() - said.keys())
    yield from (
        f"{row['type']} {row['event_id']}: not marked as published" for row in books.said if not row["published"]
    )
    yield from (f"{row['type']}: parked ({row['error']})" for row in books.parked)
    yield from (f"{record.type}: a dead letter" for record in books.dead)
    last: dict[tuple[str, str, str], int] = {}
    for record in _once(books.records):
        aggregate, version = (record.topic, record.source, record.subject), json.loads(record.value)["version"]
        if version <= last.get(aggregate, 0):
            yield f"{record.type} of {aggregate}: version {version} after {last[aggregate]}"
        last[aggregate] = version


def _once(records: Iterable[Record]) -> Iterator[Record]:
    """Each event where it stands first: a repeated publication is harmless."""
    seen: set[str] = set()
    for record in records:
        if record.id not in seen:
            seen.add(record.id)
            yield record


def _kind(record: Record) -> str:
    return record.type.removeprefix("mart.").rpartition(".v")[0]


def _is_told(record: Record) -> bool:
    model = by_type(record.type)
    return model is not None and model.told_to_customer


def _by_place(rows: Rows) -> dict[Place, int]:
    return {(product, warehouse): count for product, warehouse, count in rows}


def _same(what: str, ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    for key in ours.keys() | theirs.keys():
        if ours.get(key) != theirs.get(key):
            yield f"{what} {key}: {ours.get(key)}, should be {theirs.get(key)}"
