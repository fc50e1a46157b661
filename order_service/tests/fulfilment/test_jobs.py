"""Jobs that expire and complete orders, and detect stuck ones."""

from datetime import timedelta

from contracts.events import order_notification as steps
from order_service.fulfilment import jobs
from order_service.tests.conftest import Shop


async def test_an_order_expires_at_its_pay_by_and_not_before(shop: Shop) -> None:
    early, due, paid = await shop.accepted(), await shop.accepted(), await shop.paid()
    await shop.execute("UPDATE orders SET pay_by = now() WHERE id = ANY($1::uuid[])", [due, paid])
    await jobs.expire(shop.runtime)
    assert [await shop.status(id) for id in (early, due, paid)] == ["awaiting_payment", "expired", "paid"]
    assert (await shop.emitted(due))[-2:] == ["order.expired", "release.requested"]
    [expired] = await shop.served.events(steps.OrderExpired)
    assert expired.order_id == due
    assert await shop.capture(due, 2000) == 2000, "too late: all of it goes back"


async def test_an_order_locked_by_another_transaction_is_expired_by_the_next_run(shop: Shop) -> None:
    order_id = await shop.accepted()
    await shop.execute("UPDATE orders SET pay_by = now()")
    async with shop.runtime.database.transaction() as tx:
        await tx.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", order_id)
        await jobs.expire(shop.runtime)
    assert await shop.status(order_id) == "awaiting_payment"
    await jobs.expire(shop.runtime)
    assert await shop.status(order_id) == "expired"


async def test_the_next_batch_follows_while_more_are_due(shop: Shop) -> None:
    await shop.accepted()
    copies = jobs.BATCH + 5
    await shop.execute(
        "INSERT INTO orders (id, customer_id, status, fulfilment_status, currency, total, captured, refunded, pay_by,"
        " ship_to, created_at, status_since, version)"
        " SELECT gen_random_uuid(), customer_id, status, fulfilment_status, currency, total, 0, 0, now(), ship_to,"
        f" created_at, status_since, version FROM orders, generate_series(1, {copies})"
    )
    assert await jobs.expire(shop.runtime)
    assert not await jobs.expire(shop.runtime)
    assert await shop.execute("SELECT count(*) FROM orders WHERE status = 'expired'") == copies


async def test_a_delivered_order_is_completed_after_the_return_window(shop: Shop) -> None:
    over, within = await shop.paid(), await shop.paid()
    await shop.execute("UPDATE orders SET status = 'delivered', delivered_at = now() - interval '29 days'")
    await shop.execute("UPDATE orders SET delivered_at = now() - interval '31 days' WHERE id = $1", over)
    await jobs.complete(shop.runtime)
    assert [await shop.status(over), await shop.status(within)] == ["completed", "delivered"]
    assert (await shop.emitted(over))[-1] == "order.completed"


async def test_stuck_orders_are_found_with_a_reason(shop: Shop) -> None:
    pending, fresh, paid = await shop.placed(), await shop.placed(), await shop.paid()
    long_ago = timedelta(hours=1)
    await shop.execute(
        "UPDATE orders SET status_since = now() - $2::interval WHERE id = ANY($1::uuid[])", [pending, paid], long_ago
    )
    await jobs.detect_stuck_orders(shop.runtime)
    found = (await shop.staff.get("/orders", params={"stuck": True, "sort": "created_at"})).json()["items"]
    assert [(order["id"], order["stuck_reason"]) for order in found] == [
        (str(pending), "inventory has not answered the reservation"),
        (str(paid), "inventory has made no shipments"),
    ]
    await shop.accept(pending)
    assert (await shop.order(pending))["stuck_reason"] is None
    assert (await shop.order(fresh))["stuck_reason"] is None
