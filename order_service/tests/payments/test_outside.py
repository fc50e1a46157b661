"""Payment systems that report over Kafka: booked once, like everything else, and said again as our own."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from contracts.events import payment_status
from contracts.money import Money
from order_service.payments import consumers
from order_service.payments.models import PaymentOfAnother
from order_service.tests.payments.conftest import TOTAL, Shop
from service_kit.messaging import Envelope
from service_kit.problems import NotFound

SOURCE = "/outside_payments"


def envelope(source: str = SOURCE) -> Envelope:
    return Envelope(id=uuid4(), type="", source=source, subject="", time=datetime.now(UTC))


async def report(
    shop: Shop, order_id: UUID, amount: int = TOTAL, payment_id: UUID | None = None, currency: str = "GBP", **more: str
) -> UUID:
    payment_id = payment_id or uuid4()
    money = Money(amount=amount, currency=currency)
    event = payment_status.PaymentSucceeded(payment_id=payment_id, order_id=order_id, amount=money)
    async with shop.runtime.database.hot_tx() as tx:
        await consumers.book_success(tx, event, envelope(**more))
    return payment_id


async def test_a_reported_payment_pays_the_order_once(shop: Shop) -> None:
    order_id = await shop.order()
    payment_id = await report(shop, order_id)
    await report(shop, order_id, payment_id=payment_id)
    order = await shop.state(order_id)
    assert (order.status, order.captured) == ("paid", TOTAL)
    (payment,) = await shop.payments(order_id)
    assert (payment["id"], payment["gateway"], payment["status"]) == (str(payment_id), SOURCE, "succeeded")
    (told,) = await shop.served.events(payment_status.PaymentSucceeded)
    assert (told.number, told.user_id, told.version) == (str(order.number), shop.customer.user_id, 1)
    assert (await shop.customer.post(f"/payments/{payment_id}/verify")).json()["status"] == "succeeded"


async def test_parts_add_up_and_what_is_too_much_is_requested_back(shop: Shop) -> None:
    order_id = await shop.order()
    await report(shop, order_id, 600)
    assert (await shop.state(order_id)).status == "awaiting_payment"
    assert (await shop.pay(order_id)).json()["amount"]["amount"] == 400
    await report(shop, order_id, 500)
    assert (await shop.state(order_id)).status == "paid"
    (requested,) = await shop.served.events(payment_status.RefundRequested)
    assert requested.amount.amount == 100


async def test_another_currency_pays_nothing_and_goes_back(shop: Shop) -> None:
    order_id = await shop.order()
    await report(shop, order_id, currency="USD")
    order = await shop.state(order_id)
    assert (order.status, order.captured) == ("awaiting_payment", 0)
    (requested,) = await shop.served.events(payment_status.RefundRequested)
    assert requested.amount == Money(amount=TOTAL, currency="USD")


async def test_the_outside_system_carries_out_the_refund_that_we_request(shop: Shop) -> None:
    order_id = await shop.order("cancelled")
    payment_id = await report(shop, order_id)
    (requested,) = await shop.served.events(payment_status.RefundRequested)
    event = payment_status.PaymentRefunded(
        payment_id=payment_id, order_id=order_id, amount=requested.amount, refund_id=requested.refund_id
    )
    for _ in range(2):
        async with shop.runtime.database.hot_tx() as tx:
            await consumers.book_refund(tx, event, envelope())
    assert (await shop.state(order_id)).payment_status == "refunded"
    (refund,) = await shop.refunds(order_id)
    assert refund["status"] == "succeeded"
    assert len(await shop.served.events(payment_status.PaymentRefunded)) == 1


async def test_a_reported_failure_is_told_once(shop: Shop) -> None:
    order_id, payment_id = await shop.order(), uuid4()
    money = Money(amount=TOTAL, currency="GBP")
    event = payment_status.PaymentFailed(payment_id=payment_id, order_id=order_id, amount=money, reason="expired card")
    for _ in range(2):
        async with shop.runtime.database.hot_tx() as tx:
            await consumers.book_failure(tx, event, envelope())
    (told,) = await shop.served.events(payment_status.PaymentFailed)
    assert told.reason == "expired card"
    assert (await shop.state(order_id)).status == "awaiting_payment"


async def test_what_fits_no_order_or_anothers_payment_is_left_to_a_person(shop: Shop) -> None:
    order_id, other = await shop.order(), await shop.order()
    with pytest.raises(NotFound):
        await report(shop, uuid4())
    payment_id = await report(shop, order_id)
    with pytest.raises(PaymentOfAnother):
        await report(shop, order_id, payment_id=payment_id, source="/somebody_else")
    with pytest.raises(PaymentOfAnother):
        await report(shop, other, payment_id=payment_id)
