"""Frequent queries use an index, so that their cost does not grow with the tables."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.events import shipment_notification as parcels
from order_service.drafts.jobs import drop_expired
from order_service.fulfilment import jobs
from order_service.invoices.jobs import erase_recipients
from order_service.orders.models import Status
from order_service.payment_links.jobs import prune_invalid_attempts
from order_service.payments.jobs import count_overdue
from order_service.payments.models import Payment, PaymentState
from order_service.personal_data import PERSONAL_DATA
from order_service.promotions import guesses
from order_service.promotions import jobs as promotion_jobs
from order_service.promotions.guesses import Guesser
from order_service.search.jobs import add_orders
from order_service.tests.conftest import SHIP_TO as ADDRESS
from order_service.tests.conftest import Shop
from order_service.tests.invoices.stored import invoice
from order_service.tests.promotions.conftest import activated, redeem
from service_kit.clock import utcnow
from service_kit.personal_data.consumers import erase_again
from tests.harness.plans import SHIP_TO, Statements, fill, sequential_scans

STATUSES = ", ".join(f"'{status}'" for status in Status)

NAME = "'Ada ' || n || repeat(' x', 300)"
"""Long, so that a sequential scan of so few rows costs more than the look-up in an index."""


async def _fill_drafts(connection: Any, later: str) -> None:
    draft = {"status": "CASE WHEN n % 50 = 0 THEN 'open' ELSE 'dropped' END", "expires_at": later}
    await fill(connection, "drafts", columns=draft)
    await fill(connection, "invalid_link_attempts", columns={"since": "now() - make_interval(secs => n / 2)"})
    await fill(connection, "payment_links", columns={"order_id": "uuidv7()"})


async def _fill_invoices(connection: Any) -> None:
    content = """'{"order_number": "1"}'::jsonb"""
    columns = {"series": "'INV-2001'", "kind": "'invoice'", "content": content, "currency": "'GBP'"}
    await fill(connection, "invoices", columns=columns)
    await fill(connection, "invoice_recipients")
    await fill(connection, "invoice_requests")


async def _fill_promotions(connection: Any) -> None:
    effect = """'{"kind": "percent", "rate": 100000, "most": {}}'"""
    scope = """'{"product_ids": [], "category_ids": [], "exclude_product_ids": []}'"""
    promotions = {"status": "'ended'", "stage": "'order'", "effect": effect, "scope": scope, "ended_at": "now()"}
    await fill(connection, "promotions", columns=promotions)
    await fill(connection, "promotion_codes", columns={"used": "0", "most": "1"})
    await fill(connection, "promotion_uses", columns={"used": "0", "most": "1"})
    await fill(connection, "promotion_customers", columns={"used": "1", "most": "1"})
    await fill(connection, "redemptions")


@pytest.fixture
async def full(statements: Statements, shop: Shop) -> Shop:
    """A shop with full tables, whose statements are recorded."""
    connection = await asyncpg.connect(shop.served.database_url)
    # As in production, most orders have ended.
    status = f"CASE WHEN n % 50 = 0 THEN (ARRAY[{STATUSES}])[1 + n % {len(Status)}] ELSE 'completed' END"
    money, later = {"currency": "'GBP'"}, "now() + interval '1 day'"
    times = {
        "id": "uuidv7(make_interval(mins => -n))",
        "status_since": "now()",
        "delivered_at": "now()",
        "pay_by": later,
    }
    unpaid = {"client_address": "CASE WHEN n % 50 = 0 THEN '10.0.0.' || n END", "fulfilment_status": "'unfulfilled'"}
    await fill(connection, "orders", columns={"status": status, "ship_to": SHIP_TO, **times, **money, **unpaid})
    await fill(connection, "order_history", columns={"version": "1"})
    await fill(connection, "order_search", columns={"recipient": NAME, "country": "'GB'", **money})
    await fill(connection, "order_tags", columns={"tags": "ARRAY['tag ' || n, repeat(n::text, 300)]"})
    await fill(connection, "order_notes")
    await fill(connection, "payments", columns={"status": "'failed'", "gateway": "'cards'", **money})
    await fill(connection, "refunds", columns={"status": "'succeeded'", "gateway": "'cards'", **money})
    await fill(connection, "returns", columns={"status": "'refunded'", "lines": "'[]'", **money})
    await fill(connection, "outbox", columns={"published_at": "now()"})
    await _fill_drafts(connection, later)
    copies = ("catalogue_products", "stock_levels")
    await fill(connection, "order_lines", columns={"name": NAME})
    for table in ("order_shipments", "payment_tokens", "carts", "cart_items", *copies):
        await fill(connection, table)
    known = {"email": "'ada' || n || '@example.org'", "name": NAME}
    await fill(connection, "account_status", columns={"erased": "n % 2000 = 0", "changed_at": "now()", **known})
    await _fill_invoices(connection)
    for table in ("idempotency_keys", "inbox"):
        await fill(connection, table)
    await _fill_promotions(connection)
    await fill(connection, "code_guesses", columns={"at": "now()"})
    await connection.close()
    statements.clear()
    return shop


async def test_frequent_queries_use_an_index(full: Shop, statements: Statements) -> None:
    await _live(full)
    report = await full.staff.get("/tax/report", params={"from": "2020-01-01", "to": "2020-12-31"})
    assert report.status_code == 200
    promotion = await _promote(full)
    for path, params in (
        ("/orders", {}),
        ("/orders", {"status": "paid"}),
        ("/orders", {"stuck": "true"}),
        ("/payments", {}),
        ("/refunds", {}),
        ("/refunds", {"status": "requested", "gateway": "bank_transfer"}),
        ("/returns", {}),
        ("/returns", {"status": "refunded"}),
        ("/promotions", {}),
        ("/promotions", {"status": "ended"}),
        (f"/promotions/{promotion}/codes", {}),
        (f"/promotions/{promotion}/redemptions", {}),
        ("/drafts", {}),
        ("/drafts", {"status": "open"}),
        ("/drafts", {"customer_id": str(full.customer.user_id)}),
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


@pytest.mark.parametrize(
    "filters",
    [
        {"email": "ada17@example.org"}, {"name": "ada 3999"}, {"name": "ada 3999", "country": "IS"}, {"sku": "17"},
        {"product_id": str(uuid4())}, {"placed_from": "2026-11-01", "placed_to": "2026-11-02"}, {"country": "IS"},
        {"currency": "GBP", "total_from": 17, "total_to": 19}, {"payment_status": "refunded"}, {"tag": "tag 17"},
        {"payment_status": ["refunded", "partially_paid"]}, {"status": ["paid", "shipped"], "currency": "GBP"},
    ],
)  # fmt: skip
async def test_every_filter_of_a_search_uses_an_index(
    full: Shop, statements: Statements, filters: dict[str, Any]
) -> None:
    for _ in range(2):
        found = await full.staff.get("/orders", params=filters)
        assert found.status_code == 200, found.text
    await full.served.caller("orders:export:any").get("/orders/export", params=filters)
    connection = await asyncpg.connect(full.served.database_url)
    assert await sequential_scans(connection, statements) == {}
    await connection.close()


async def test_adding_orders_to_the_search_reads_only_those_of_the_last_minute(
    full: Shop, statements: Statements
) -> None:
    order_id = await full.placed()
    assert not await add_orders(full.runtime)
    assert await full.execute("SELECT count(*) FROM order_search WHERE order_id = $1", order_id) == 1
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
    await _pay_a_draft(shop)
    await count_overdue(shop.runtime)
    await erase_again(shop.runtime, PERSONAL_DATA)
    await shop.execute("TRUNCATE invoice_requests")
    await invoice(shop.served, order_id)
    [made] = (await shop.customer.get(f"/orders/{order_id}/invoices")).json()["items"]
    assert (await shop.customer.get(made["html"])).status_code == 200
    await erase_recipients(shop.runtime)


async def _promote(shop: Shop) -> str:
    """A promotion that was used and has ended long ago, and the jobs."""
    promotion = await activated(shop, limit=9, limit_per_customer=1)
    await shop.staff.post(f"/promotions/{promotion['id']}/codes", json={"count": 2})
    for _ in range(2):
        await redeem(shop, promotion["id"], customer_key=b"ada")
    path = f"/promotions/{promotion['id']}"
    for call in (shop.staff.get(f"{path}/uses"), shop.staff.get(f"{path}/codes.csv"), shop.staff.post(f"{path}/end")):
        assert (await call).status_code == 200
    preview = {"promotion_id": promotion["id"], "last_orders": 5}
    assert (await shop.staff.post("/promotions/preview", json=preview)).status_code == 200
    await promotion_jobs.end_promotions(shop.runtime)
    await promotion_jobs.forget_customers(shop.runtime)
    await shop.execute(
        "UPDATE promotions SET ended_at = now() - interval '40 days' WHERE id = $1", UUID(promotion["id"])
    )
    while await promotion_jobs.forget_customers(shop.runtime):
        pass
    await promotion_jobs.prune_guesses(shop.runtime)
    async with shop.runtime.database.connection() as connection:
        who = Guesser(("account:1", "network:10.0.0.1"), 10)
        await guesses.record(connection, who, 2)
        await guesses.check(connection, who)
    return str(promotion["id"])


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


async def _pay_a_draft(shop: Shop) -> None:
    """By its link, after an invalid one; the gateway does not answer. Its customer then gets another link."""
    line = {"product_id": str(await shop.product()), "quantity": 1}
    body = {"lines": [line], "ship_to": ADDRESS, "customer_id": str(await shop.known_customer())}
    draft = f"/drafts/{(await shop.staff.post('/drafts', json=body)).json()['id']}"
    token = (await shop.staff.post(f"{draft}/link")).json()["token"]
    public = shop.served.anonymous
    for link, status in ((token, 200), ("x" * 64, 404)):
        assert (await public.get("/payment-link", headers={"Payment-Link": link})).status_code == status
    placed = await shop.staff.post(f"{draft}/order", headers={"Idempotency-Key": "draft"})
    await shop.accept(UUID(placed.json()["id"]))
    paid = await public.post("/payment-link/payments", headers={"Payment-Link": token}, json={"token": "tok_ok"})
    assert paid.status_code == 503
    assert (await shop.staff.post(f"{placed.headers['Location']}/payment-link")).status_code == 201
    await drop_expired(shop.runtime)
    await prune_invalid_attempts(shop.runtime)


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
