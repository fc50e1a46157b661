"""Frequent queries use an index, so that their cost does not grow with the tables."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.events import shipment_notification as parcels
from order_service.fulfilment import jobs
from order_service.invoices.jobs import erase_recipients
from order_service.orders.models import Status
from order_service.payments.jobs import count_overdue
from order_service.payments.models import Payment, PaymentState
from order_service.personal_data import PERSONAL_DATA
from order_service.tests.conftest import Shop
from order_service.tests.invoices.stored import invoice
from service_kit.clock import utcnow
from service_kit.personal_data.consumers import erase_again
from tests.harness.plans import SHIP_TO, Statements, fill, sequential_scans

STATUSES = ", ".join(f"'{status}'" for status in Status)


@pytest.fixture
async def full(statements: Statements, shop: Shop) -> Shop:
    """A shop with full tables, whose statements are recorded."""
    connection = await asyncpg.connect(shop.served.database_url)
    # As in production, most orders have ended.
    status = f"CASE WHEN n % 50 = 0 THEN (ARRAY[{STATUSES}])[1 + n % {len(Status)}] ELSE 'completed' END"
    money, later = {"currency": "'GBP'"}, "now() + interval '1 day'"
    times = {"status_since": "now()", "delivered_at": "now()", "pay_by": later}
    unpaid = {"client_address": "CASE WHEN n % 50 = 0 THEN '10.0.0.' || n END", "fulfilment_status": "'unfulfilled'"}
    await fill(connection, "orders", columns={"status": status, "ship_to": SHIP_TO, **times, **money, **unpaid})
    await fill(connection, "order_history", columns={"version": "1"})
    await fill(connection, "payments", columns={"status": "'failed'", "gateway": "'cards'", **money})
    await fill(connection, "refunds", columns={"status": "'succeeded'", "gateway": "'cards'", **money})
    await fill(connection, "returns", columns={"status": "'refunded'", "lines": "'[]'", **money})
    await fill(connection, "outbox", columns={"published_at": "now()"})
    copies = ("catalogue_products", "stock_levels")
    for table in ("order_lines", "order_shipments", "payment_tokens", "carts", "cart_items", *copies):
        await fill(connection, table)
    await fill(connection, "account_status", columns={"erased": "n % 2000 = 0", "changed_at": "now()"})
    series, content = "'INV-2001'", """'{"order_number": "1"}'::jsonb"""
    await fill(connection, "invoices", columns={"series": series, "kind": "'invoice'", "content": content, **money})
    await fill(connection, "invoice_recipients")
    await fill(connection, "invoice_requests")
    for table in ("idempotency_keys", "inbox"):
        await fill(connection, table)
    await connection.close()
    statements.clear()
    return shop


async def test_frequent_queries_use_an_index(full: Shop, statements: Statements) -> None:
    await _live(full)
    for path, params in (
        ("/orders", {}),
        ("/orders", {"status": "paid"}),
        ("/orders", {"stuck": "true"}),
        ("/payments", {}),
        ("/refunds", {}),
        ("/returns", {}),
        ("/returns", {"status": "refunded"}),
        ("/invoices", {}),
        ("/invoices", {"since": "2026-01-01", "until": "2026-12-31"}),
    ):
        first = await full.staff.get(path, params={"limit": "1", **params})
        assert first.status_code == 200, first.text
        if cursor := first.json()["next"]:
            await full.staff.get(path, params={"limit": "1", "cursor": cursor, **params})
    assert (await full.customer.get("/orders")).status_code == 200
    assert (await full.staff.get("/invoices.csv", params={"since": "2027-01-01"})).status_code == 200
    assert len(statements) > 25
    connection = await asyncpg.connect(full.served.database_url)
    assert await sequential_scans(connection, statements) == {}
    await connection.close()


async def _live(shop: Shop) -> None:
    """Takes one order from its placing to its return, cancels another, and runs the jobs."""
    order_id, shipment_id = await shop.paid(), uuid4()
    await shop.deliver(*(shop.parcel(order_id, kind, shipment_id) for kind in _PARCEL))
    cancelled: UUID = await shop.accepted()
    assert (await shop.customer.post(f"/orders/{cancelled}/cancel", json={"reason": "no"})).status_code == 200
    await _return(shop, order_id)
    await shop.order(order_id)
    await shop.history(order_id)
    await jobs.expire(shop.runtime)
    await jobs.complete(shop.runtime)
    await jobs.detect_stuck_orders(shop.runtime)
    await count_overdue(shop.runtime)
    await erase_again(shop.runtime, PERSONAL_DATA)
    await shop.execute("TRUNCATE invoice_requests")
    await invoice(shop.served, order_id)
    [made] = (await shop.customer.get(f"/orders/{order_id}/invoices")).json()["items"]
    assert (await shop.customer.get(made["html"])).status_code == 200
    await erase_recipients(shop.runtime)


async def _return(shop: Shop, order_id: UUID) -> None:
    payment = Payment(
        order_id=order_id, customer_id=shop.customer.user_id, amount=2000, currency="GBP", gateway="cards",
        gateway_charge_id="ch_1", status=PaymentState.SUCCEEDED, settled_at=utcnow(),
    )  # fmt: skip
    async with shop.runtime.database.session() as tx:
        tx.add(payment)
    [line] = (await shop.order(order_id))["lines"]
    body = {"lines": [{"product_id": line["product_id"], "quantity": 1}], "reason": "too small"}
    path = f"/orders/{order_id}/returns"
    made = await shop.customer.post(path, json=body, headers={"Idempotency-Key": "a"})
    assert made.status_code == 201, made.text
    assert (await shop.staff.post(f"{made.headers['Location']}/approve")).status_code == 200
    line = parcels.ReceivedLine(product_id=line["product_id"], restocked=1, scrapped=0)
    await shop.deliver(
        parcels.ReturnReceived(
            return_id=made.json()["id"], order_id=order_id, version=2, customer_id=shop.customer.user_id, number="1",
            warehouse_id=uuid4(), lines=[line],
        )
    )  # fmt: skip
    assert (await shop.customer.get(path)).json()["items"][0]["status"] == "received"


_PARCEL = (parcels.ShipmentCreated, parcels.ShipmentDispatched, parcels.ShipmentDelivered)


async def test_the_check_finds_a_missing_index(full: Shop, statements: Statements) -> None:
    connection = await asyncpg.connect(full.served.database_url)
    await connection.execute("DROP INDEX ix_orders_customer_id_id")
    assert (await full.customer.get("/orders")).status_code == 200
    assert set(await sequential_scans(connection, statements)) == {"orders"}
    await connection.close()


async def test_unpaid_orders_are_found_by_partial_indexes(full: Shop) -> None:
    """Their cost does not depend on how many paid or ended orders an account or an address has."""
    indexes = {
        "uq_orders_owes_alone": ("customer_id = $1::uuid AND client_address IS NOT NULL", uuid4()),
        "ix_orders_unpaid_address": ("client_address = $1::text", "203.0.113.7"),
    }
    async with full.runtime.database.connection() as connection:
        for index, (condition, value) in indexes.items():
            rows = await connection.fetch(f"EXPLAIN SELECT count(*) FROM orders WHERE {condition}", value)
            assert any(f"using {index}" in row[0] for row in rows), rows
