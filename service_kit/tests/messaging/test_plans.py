"""Outbox, inbox and retry queue are read with an index, so that stored rows do not slow them down."""

from datetime import timedelta

import asyncpg

from contracts.events.order_notification import OrderPaid
from service_kit.database import Statement, Transaction
from service_kit.housekeeping import BY_BLOCKS, PRUNE_INBOX
from service_kit.ids import uuid7
from service_kit.messaging import Envelope, consumes, outbox
from service_kit.tests.messaging.shop import Shop, eventually, paid, record_effect
from tests.harness.plans import Statements, fill, sequential_scans


@consumes(OrderPaid)
async def handler(tx: Transaction, event: OrderPaid, envelope: Envelope) -> None:
    await record_effect(tx, event, envelope)


async def test_frequent_statements_use_an_index(statements: Statements, shop: Shop) -> None:
    connections = [await asyncpg.connect(url) for url in (shop.order_url, shop.notification_url)]
    for connection in connections:
        await fill(connection, "outbox", columns={"published_at": "now()"})
        await fill(connection, "inbox")
        await fill(connection, "parked_events", columns={"status": "'dead'"})
    statements.clear()

    async with shop.orders.transaction() as tx:
        await outbox.add(tx, paid(uuid7(), 1))
    await shop.start_publisher()
    await shop.start_consumer(handler)
    await shop.effects(1)

    async def published() -> bool:
        return not await shop.value(shop.orders, "SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)")

    await eventually(published)
    assert len(statements) > 8
    # Not checked: counts of the retry queue, which are rare, and the test's own table `effects`.
    often = {sql: values for sql, values in statements.items() if "count(*)" not in sql and "effects" not in sql}
    for connection in connections:
        assert await sequential_scans(connection, often) == {}

    await connections[0].execute("DROP INDEX ix_outbox_unpublished")
    assert set(await sequential_scans(connections[0], often)) == {"outbox"}, "the check must find a missing index"
    for connection in connections:
        await connection.close()


async def test_old_rows_of_the_inbox_are_found_without_a_full_scan(shop: Shop) -> None:
    connection = await asyncpg.connect(shop.order_url)
    await fill(connection, "inbox")
    await connection.close()
    async with shop.orders.transaction() as tx:
        await tx.execute(BY_BLOCKS)
        plan = await Statement(f"EXPLAIN {PRUNE_INBOX.text}").fetch(tx, retention=timedelta(days=21))
    assert "ix_inbox_received_at" in str(plan)
    assert "Seq Scan" not in str(plan)
