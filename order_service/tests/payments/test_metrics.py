"""Metrics of payments that somebody must look at: no outcome, or no order."""

from uuid import uuid4

from prometheus_client import REGISTRY

from order_service.payments.jobs import count_overdue
from order_service.tests.payments.conftest import Shop, charge_event


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def overdue(shop: Shop) -> tuple[float, float]:
    await count_overdue(shop.runtime)
    return value("payments_overdue", kind="payment"), value("payments_overdue", kind="refund")


async def test_a_payment_without_an_outcome_is_overdue_after_a_while(shop: Shop) -> None:
    order_id = await shop.order()
    await shop.pay(order_id, "tok_late")
    assert await overdue(shop) == (0, 0)
    await shop.execute("UPDATE payments SET created_at = now() - interval '1 hour'")
    assert await overdue(shop) == (1, 0)
    await shop.execute("UPDATE payments SET status = 'action_required'")
    assert await overdue(shop) == (0, 0), "it waits for its customer"


async def test_a_refund_without_an_outcome_is_overdue_after_a_while(shop: Shop) -> None:
    _, payment = await shop.paid()
    await shop.refund(payment["id"])
    await shop.execute("UPDATE refunds SET status = 'requested', created_at = now() - interval '1 hour'")
    assert await overdue(shop) == (0, 1)


async def test_a_webhook_about_no_order_of_ours_is_counted(shop: Shop) -> None:
    before = value("payment_webhooks_unmatched_total", kind="charge")
    money = {"amount": 1000, "currency": "GBP"}
    foreign = {"id": uuid4(), "gateway_charge_id": "ch_nobody", "order_id": str(uuid4()), "amount": money}
    assert (await shop.webhook(charge_event(foreign, "succeeded"))).status_code == 204
    assert value("payment_webhooks_unmatched_total", kind="charge") == before + 1


async def test_each_call_to_the_gateway_is_timed_by_operation_and_outcome(shop: Shop) -> None:
    labels = {"operation": "open", "outcome": "answered"}
    before = value("payment_gateway_seconds_count", **labels)
    await shop.pay(await shop.order())
    assert value("payment_gateway_seconds_count", **labels) == before + 1
