"""Whatever is asked often goes by an index: its cost does not grow with what is stored."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.events import shipment_notification as parcels
from order_service.orders import jobs
from order_service.orders.models import Status
from order_service.people import use_cases as people
from order_service.tests.conftest import Shop
from tests.harness.plans import SHIP_TO, Statements, fill, sequential_scans

STATUSES = ", ".join(f"'{status}'" for status in Status)


@pytest.fixture
async def full(statements: Statements, shop: Shop) -> Shop:
    """A shop whose tables are full; what it asks of them is written down."""
    connection = await asyncpg.connect(shop.served.database_url)
    # As in life: most have come to their end.
    status = f"CASE WHEN n % 50 = 0 THEN (ARRAY[{STATUSES}])[1 + n % {len(Status)}] ELSE 'completed' END"
    money, later = {"currency": "'GBP'"}, "now() + interval '1 day'"
    times = {"status_since": "now()", "delivered_at": "now()", "pay_by": later}
    await fill(connection, "orders", columns={"status": status, "ship_to": SHIP_TO, **times, **money})
    await fill(connection, "order_history", columns={"version": "1"})
    await fill(connection, "payments", columns={"status": "'failed'", "gateway": "'cards'", **money})
    await fill(connection, "refunds", columns={"status": "'succeeded'", "gateway": "'cards'", **money})
    await fill(connection, "outbox", columns={"published_at": "now()"})
    for table in ("order_lines", "order_shipments", "payment_tokens", "catalogue_products", "customers", "cart_items"):
        await fill(connection, table)
    await fill(connection, "user_standings", columns={"erased": "n % 2000 = 0", "changed_at": "now()"})
    for table in ("idempotency_keys", "inbox", "stock_levels"):
        await fill(connection, table)
    await connection.close()
    statements.clear()
    return shop


async def test_everything_that_is_asked_often_goes_by_an_index(full: Shop, statements: Statements) -> None:
    await _live(full)
    for path, params in (
        ("/orders", {}),
        ("/orders", {"status": "paid"}),
        ("/orders", {"standing_still": "true"}),
        ("/payments", {}),
        ("/refunds", {}),
    ):
        first = await full.staff.get(path, params={"limit": "1", **params})
        assert first.status_code == 200, first.text
        if cursor := first.json()["next"]:
            await full.staff.get(path, params={"limit": "1", "cursor": cursor, **params})
    assert (await full.customer.get("/orders")).status_code == 200
    assert len(statements) > 25
    connection = await asyncpg.connect(full.served.database_url)
    assert await sequential_scans(connection, statements) == {}
    await connection.close()


async def _live(shop: Shop) -> None:
    """An order from its placing to its end, another that is cancelled, and what time does."""
    order_id, shipment_id = await shop.paid(), uuid4()
    await shop.hear(*(shop.parcel(order_id, kind, shipment_id) for kind in _PARCEL))
    cancelled: UUID = await shop.accepted()
    assert (await shop.customer.post(f"/orders/{cancelled}/cancel", json={"reason": "no"})).status_code == 200
    await shop.order(order_id)
    await shop.history(order_id)
    await jobs.expire(shop.runtime)
    await jobs.complete(shop.runtime)
    await jobs.find_standing_still(shop.runtime)
    await people.forget_erased(shop.runtime)


_PARCEL = (parcels.ShipmentCreated, parcels.ShipmentDispatched, parcels.ShipmentDelivered)


async def test_the_check_sees_a_missing_index(full: Shop, statements: Statements) -> None:
    connection = await asyncpg.connect(full.served.database_url)
    await connection.execute("DROP INDEX ix_orders_user_id_id")
    assert (await full.customer.get("/orders")).status_code == 200
    assert set(await sequential_scans(connection, statements)) == {"orders"}
    await connection.close()
