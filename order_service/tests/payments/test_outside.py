"""Outside payment systems that report over Kafka: each report is booked once, and published as our own event."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from contracts.events import payment_status
from contracts.money import Money
from order_service.payments import consumers, refund_settlement
from order_service.payments.models import PaymentOfAnother, RefundReport, RefundState
from order_service.tests.payments.conftest import TOTAL, Shop
from service_kit.messaging import Envelope
from service_kit.problems import NotFound

SOURCE = "/outside_payments"


def envelope(source: str = SOURCE, traceparent: str | None = None) -> Envelope:
    return Envelope(uuid4(), "", source, "", datetime.now(UTC), traceparent)


async def report(
    shop: Shop, order_id: UUID, amount: int = TOTAL, payment_id: UUID | None = None, currency: str = "GBP", **more: str
) -> UUID:
    payment_id = payment_id or uuid4()
    money = Money(amount=amount, currency=currency)
    event = payment_status.PaymentSucceeded(payment_id=payment_id, order_id=order_id, amount=money)
    async with shop.runtime.database.transaction() as tx:
        await consumers.on_payment_reports(tx, [event], [envelope(**more)])
    return payment_id


async def test_a_reported_payment_pays_the_order_once(shop: Shop) -> None:
    order_id = await shop.order()
    payment_id = await report(shop, order_id)
    await report(shop, order_id, payment_id=payment_id)
    order = await shop.state(order_id)
    assert (order.status, order.captured) == ("paid", TOTAL)
    (payment,) = await shop.payments(order_id)
    assert (payment["id"], payment["gateway"], payment["status"]) == (str(payment_id), SOURCE, "succeeded")
    (published,) = await shop.served.events(payment_status.PaymentSucceeded)
    assert (published.number, published.customer_id, published.version) == (str(order.number), shop.customer.user_id, 1)
    assert (await shop.customer.post(f"/payments/{payment_id}/verify")).json()["status"] == "succeeded"


async def test_partial_payments_add_up_and_a_surplus_is_refunded(shop: Shop) -> None:
    order_id = await shop.order()
    await report(shop, order_id, 600)
    assert (await shop.state(order_id)).status == "awaiting_payment"
    assert (await shop.pay(order_id)).json()["amount"]["amount"] == 400
    await report(shop, order_id, 500)
    assert (await shop.state(order_id)).status == "paid"
    (requested,) = await shop.served.events(payment_status.RefundRequested)
    assert requested.amount.amount == 100


async def test_money_that_is_being_refunded_does_not_pay_the_order(shop: Shop) -> None:
    order_id = await shop.order()
    payment_id = await report(shop, order_id, 600)
    await shop.refund(str(payment_id), 500)
    assert (await shop.pay(order_id)).json()["amount"]["amount"] == 900
    await report(shop, order_id, 400)
    assert (await shop.state(order_id)).status == "awaiting_payment"


async def test_money_whose_refund_failed_pays_the_order(shop: Shop) -> None:
    order_id = await shop.order()
    first = await report(shop, order_id, 600)
    refund = (await shop.refund(str(first))).json()
    await report(shop, order_id, 400)
    async with shop.runtime.database.transaction() as tx:
        await refund_settlement.settle(
            tx,
            RefundReport(
                refund_id=UUID(refund["id"]),
                payment_id=first,
                order_id=order_id,
                gateway=SOURCE,
                state=RefundState.FAILED,
                amount=600,
                currency="GBP",
            ),
        )
    order = await shop.state(order_id)
    assert (order.status, order.captured, order.refunded, order.refunding) == ("paid", TOTAL, 0, 0)


async def test_money_in_another_currency_is_refunded_and_does_not_pay_the_order(shop: Shop) -> None:
    order_id = await shop.order()
    await report(shop, order_id, currency="USD")
    order = await shop.state(order_id)
    assert (order.status, order.captured) == ("awaiting_payment", 0)
    (requested,) = await shop.served.events(payment_status.RefundRequested)
    assert requested.amount == Money(amount=TOTAL, currency="USD")


async def test_an_outside_system_carries_out_a_refund_that_we_requested(shop: Shop) -> None:
    order_id = await shop.order("cancelled")
    payment_id = await report(shop, order_id)
    (requested,) = await shop.served.events(payment_status.RefundRequested)
    event = payment_status.PaymentRefunded(
        payment_id=payment_id, order_id=order_id, amount=requested.amount, refund_id=requested.refund_id
    )
    for _ in range(2):
        async with shop.runtime.database.transaction() as tx:
            await consumers.on_payment_refunded(tx, event, envelope())
    assert (await shop.state(order_id)).payment_status == "refunded"
    (refund,) = await shop.refunds(order_id)
    assert refund["status"] == "succeeded"
    assert len(await shop.served.events(payment_status.PaymentRefunded)) == 1


async def test_a_reported_failure_is_published_once(shop: Shop) -> None:
    order_id, payment_id = await shop.order(), uuid4()
    money = Money(amount=TOTAL, currency="GBP")
    event = payment_status.PaymentFailed(payment_id=payment_id, order_id=order_id, amount=money, reason="expired card")
    for _ in range(2):
        async with shop.runtime.database.transaction() as tx:
            await consumers.on_payment_reports(tx, [event], [envelope()])
    (published,) = await shop.served.events(payment_status.PaymentFailed)
    assert published.reason == "expired card"
    assert (await shop.state(order_id)).status == "awaiting_payment"


async def test_a_batch_books_each_report_as_if_it_arrived_alone(shop: Shop) -> None:
    first, second = await shop.order(), await shop.order()
    declined, accepted, other, too_much = uuid4(), uuid4(), uuid4(), uuid4()
    money = Money(amount=TOTAL, currency="GBP")
    reports: list[payment_status.PaymentSucceeded | payment_status.PaymentFailed] = [
        payment_status.PaymentFailed(payment_id=declined, order_id=first, amount=money, reason="expired card"),
        payment_status.PaymentSucceeded(payment_id=other, order_id=second, amount=money),
        payment_status.PaymentSucceeded(payment_id=accepted, order_id=first, amount=money),
        payment_status.PaymentSucceeded(payment_id=accepted, order_id=first, amount=money),
        payment_status.PaymentSucceeded(payment_id=too_much, order_id=first, amount=money),
    ]
    traces = [f"00-{n:032x}-{n:016x}-01" for n in range(1, 6)]
    async with shop.runtime.database.transaction() as tx:
        envelopes = [envelope(traceparent=trace) for trace in traces]
        await consumers.on_payment_reports(tx, reports, envelopes)
    for order_id in (first, second):
        assert (await shop.state(order_id)).status == "paid"
    assert (await shop.state(first)).captured == 2 * TOTAL
    (requested,) = await shop.served.events(payment_status.RefundRequested)
    assert (requested.order_id, requested.payment_id) == (first, too_much)
    published = await shop.served.events(payment_status.PaymentSucceeded)
    assert {event.payment_id for event in published} == {accepted, other, too_much}
    emitted = "SELECT traceparent FROM outbox WHERE type = 'mart.order.paid.v1' AND subject = $1"
    async with shop.runtime.database.connection() as connection:
        assert await connection.fetchval(emitted, str(first)) == traces[2]


async def test_a_report_on_an_unknown_order_or_on_another_systems_payment_is_rejected(shop: Shop) -> None:
    order_id, other = await shop.order(), await shop.order()
    with pytest.raises(NotFound):
        await report(shop, uuid4())
    payment_id = await report(shop, order_id)
    with pytest.raises(PaymentOfAnother):
        await report(shop, order_id, payment_id=payment_id, source="/somebody_else")
    with pytest.raises(PaymentOfAnother):
        await report(shop, other, payment_id=payment_id)
