"""Reads the books of the shop: five databases, the gateway's, the mailbox, and the topics."""

from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from contracts.topics import TOPICS
from local_stack.parts import SERVICES
from local_stack.shop import Shop
from tests.system import price_queries
from tests.system.customers import Ledger
from tests.system.log import Record, records_of
from tests.system.world import World
from user_service.mails.models import Purpose

Rows = list[asyncpg.Record]

CAME_EXPIRED = """
SELECT product_id, warehouse_id, expires_on, sum(pieces)::bigint AS came, (
    SELECT coalesce(sum(quantity), 0)::bigint FROM stock_batches AS b
    WHERE (b.product_id, b.warehouse_id, b.expires_on) = (came.product_id, came.warehouse_id, came.expires_on)
) AS there
FROM (
    SELECT line.product_id, receipt.warehouse_id, line.expires_on, line.quantity AS pieces
    FROM stock_receipt_lines AS line JOIN stock_receipts AS receipt ON receipt.id = line.receipt_id
    WHERE line.expires_on <= (receipt.created_at AT TIME ZONE 'UTC')::date
    UNION ALL
    SELECT product_id, warehouse_id, expires_on, quantity FROM stock_movements
    WHERE kind = 'adjustment' AND expires_on <= (created_at AT TIME ZONE 'UTC')::date
) AS came GROUP BY 1, 2, 3
"""
"""Pieces that had expired on receipt, less those that were scrapped since, and their present stock."""

QUERIES: dict[str, tuple[str, str]] = {
    "orders": ("order", "SELECT id, customer_id, status, total, captured, refunded, stuck_reason FROM orders"),
    "history": (
        "order",
        "SELECT order_id, trigger, from_status, to_status FROM order_history ORDER BY order_id, version",
    ),
    "lines": ("order", "SELECT order_id, product_id, sum(quantity) FROM order_lines GROUP BY 1, 2"),
    "prices": ("order", "SELECT order_id, product_id, sum(total) / sum(quantity) FROM order_lines GROUP BY 1, 2"),
    "returns": ("order", "SELECT id, order_id, status, worth, to_refund FROM returns"),
    "return_lines": (
        "order",
        """SELECT r.id, r.order_id, (line ->> 'product_id')::uuid AS product_id,
            sum((line ->> 'quantity')::int) AS quantity, sum((line ->> 'received')::int) AS received,
            sum((line ->> 'received')::int * l.total / l.quantity) AS worth
        FROM returns r CROSS JOIN jsonb_array_elements(lines) AS line
        JOIN order_lines l ON l.product_id = (line ->> 'product_id')::uuid AND l.order_id = r.order_id
        GROUP BY 1, 2, 3""",
    ),
    "amounts": ("order", price_queries.AMOUNTS),
    "uses": ("order", price_queries.USES),
    "series": ("order", price_queries.SERIES),
    "invoiced": ("order", price_queries.INVOICED),
    "payments": ("order", "SELECT id, order_id, amount, status, gateway, gateway_charge_id FROM payments"),
    "refunds": ("order", "SELECT id, order_id, amount, status, gateway, gateway_refund_id, return_id FROM refunds"),
    "levels_in_order": ("order", "SELECT product_id, available FROM stock_levels"),
    "levels_in_product": ("product", "SELECT product_id, available FROM availability"),
    "stock": ("inventory", "SELECT product_id, warehouse_id, on_hand, reserved, dated, expired FROM stock"),
    "batches": (
        "inventory",
        """SELECT product_id, warehouse_id, sum(quantity),
            coalesce(sum(quantity) FILTER (WHERE expires_on <= (now() AT TIME ZONE 'UTC')::date), 0)
        FROM stock_batches GROUP BY 1, 2""",
    ),
    "moved": ("inventory", "SELECT product_id, warehouse_id, sum(quantity) FROM stock_movements GROUP BY 1, 2"),
    "held": ("inventory", "SELECT product_id, warehouse_id, sum(quantity) FROM reservation_lines GROUP BY 1, 2"),
    "deducted": (
        "inventory",
        "SELECT order_id, product_id, -sum(quantity) FROM stock_movements WHERE kind = 'dispatch' GROUP BY 1, 2",
    ),
    "expected": (
        "inventory",
        """SELECT r.id, r.status, (line ->> 'product_id')::uuid AS product_id, (line ->> 'quantity')::int AS quantity,
            (line ->> 'restocked')::int AS restocked, (line ->> 'scrapped')::int AS scrapped
        FROM returns r, jsonb_array_elements(lines) AS line""",
    ),
    "restocked": (
        "inventory",
        "SELECT return_id, product_id, sum(quantity) FROM stock_movements WHERE kind = 'return' GROUP BY 1, 2",
    ),
    "parcels": (
        "inventory",
        "SELECT id, order_id, status, jsonb_array_length(corrections) AS corrections FROM shipments",
    ),
    "lost_pieces": (
        "inventory",
        """SELECT order_id, (line ->> 'product_id')::uuid, sum((line ->> 'quantity')::int)
        FROM shipments, jsonb_array_elements(lines) AS line WHERE status = 'lost' GROUP BY 1, 2""",
    ),
    "holding": ("inventory", "SELECT order_id, sum(quantity) FROM reservation_lines GROUP BY 1"),
    "received_expired": ("inventory", CAME_EXPIRED),
    "shipments": ("inventory", "SELECT order_id, warehouse_id, count(*) FROM shipments GROUP BY 1, 2"),
    "notified": ("notification", "SELECT order_id, kind, count(told_at) FROM notifications GROUP BY 1, 2"),
    "mail_deliveries": (
        "notification",
        """SELECT n.id, n.event_id, n.customer_id, n.kind, n.created_at, d.status, d.next_attempt_at > now() AS not_due
        FROM notifications n
        LEFT JOIN deliveries d ON d.notification_id = n.id AND d.channel = 'email'
        WHERE n.told_at IS NOT NULL AND (d.id IS NOT NULL OR NOT n.facts ? 'pays_by_itself')""",
    ),
}
OUTBOX = "SELECT event_id, type, published_at IS NOT NULL AS published FROM outbox"
PARKED = "SELECT type, error FROM parked_events"


@dataclass(frozen=True)
class Books:
    """`rows` by their name in QUERIES; `committed` (outboxes) and `parked` (retry queues) of all services together;
    `mails`: the distinct Message-IDs."""

    ledger: Ledger
    rows: dict[str, Rows]
    committed: Rows
    parked: Rows
    charges: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    webhooks: dict[str, int]
    mails: frozenset[str]
    records: list[Record]
    dead: list[Record]


async def read(world: World, ledger: Ledger) -> Books:
    """Reads the mailbox after the databases, and the topics last, so that they contain all events and mails that the
    databases have."""
    rows: dict[str, Rows] = {}
    committed: Rows = []
    parked: Rows = []
    for service in SERVICES:
        database = await asyncpg.connect(world.shop.database_url(service.name))
        try:
            for name, (owner, query) in QUERIES.items():
                if owner == service.name:
                    rows[name] = await database.fetch(query)
            committed += await database.fetch(OUTBOX)
            parked += await database.fetch(PARKED)
        finally:
            await database.close()
    charges, refunds, webhooks = await _gateway_books(world.shop, world.http)
    mails = await _mails(world.shop, world.http)
    records = await records_of(world.shop.kafka)
    dead = await records_of(world.shop.kafka, topics=[topic.dlq for topic in TOPICS])
    return Books(ledger, rows, committed, parked, charges, refunds, webhooks, mails, records, dead)


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


# Mails of the user service itself: they concern no order and have no notification.
ABOUT_ACCOUNTS = tuple(f".{purpose}@" for purpose in Purpose)


async def _mails(shop: Shop, http: httpx.AsyncClient) -> frozenset[str]:
    found: set[str] = set()
    params: dict[str, Any] = {"limit": 1000}
    while True:
        answer = await http.get(f"{shop.url('mailbox')}/messages", params=params)
        answer.raise_for_status()
        body = answer.json()
        ids = (item["message_id"] or f"none, of {item['to']}" for item in body["items"])
        found |= {id for id in ids if not any(purpose in id for purpose in ABOUT_ACCOUNTS)}
        if not body["next"]:
            return frozenset(found)
        params["cursor"] = body["next"]
