"""Frequent statements use indexes, so that their cost does not grow with the tables."""

from uuid import uuid4

import asyncpg

from contracts.events.order_notification import OrderPlaced
from notification_service.deliveries.withheld import release_withheld
from notification_service.tests.conftest import Shop, example, inbox
from tests.harness.plans import Statements, fill, sequential_scans


async def test_frequent_statements_use_indexes(statements: Statements, shop: Shop) -> None:
    connection = await asyncpg.connect(shop.served.database_url)
    await fill(connection, "notifications", columns={"told_at": "now()", "kind": "'order.placed'"})
    await fill(connection, "deliveries", columns={"status": "'sent'", "channel": "'email'", "kind": "'order.placed'"})
    for table in ("recipients", "preferences", "inbox", "parked_events"):
        await fill(connection, table)
    statements.clear()

    customer = await shop.customer()
    for _ in range(2):
        await shop.deliver(example(OrderPlaced, customer_id=customer.user_id, order_id=uuid4()))
    await shop.send_mail()
    first = await inbox(customer, limit=1)
    await inbox(customer, limit=1, cursor=first["next"])
    read = await customer.post(f"/notifications/{first['items'][0]['id']}/read")
    assert read.status_code in (200, 204), read.text
    for filters in ({}, {"status": "sent"}, {"customer_id": str(customer.user_id)}):
        await shop.deliveries(**filters)
    await shop.introduce(customer.user_id, version=2, verified=False)
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id, order_id=uuid4()))
    await shop.introduce(customer.user_id, version=3, verified=True)
    await release_withheld(shop.served.runtime)
    assert len(statements) > 10
    assert await sequential_scans(connection, statements) == {}

    await connection.execute("DROP INDEX ix_notifications_user")
    assert set(await sequential_scans(connection, statements)) == {"notifications"}, "the check sees a missing index"
    await connection.close()
