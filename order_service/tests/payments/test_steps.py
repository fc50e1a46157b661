"""Payments in more than one step: the customer's confirmation, and capture or cancellation after authorisation."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from contracts.events import order_notification, payment_status
from order_service.fulfilment import jobs
from order_service.payments.gateways.port import ChargeRequest, NoResponse, Rejected
from order_service.payments.gateways.sandbox import SandboxGateway
from order_service.payments.jobs import reconcile_payments
from order_service.payments.models import PaymentState
from order_service.tests.payments.conftest import TOTAL, Shop, charge_event, eventually
from order_service.tests.payments.test_paying import Charging, Crash, crash_after, crash_before


async def statuses(shop: Shop, order_id: UUID) -> list[str]:
    return [payment["status"] for payment in await shop.payments(order_id)]


async def ends_as(shop: Shop, order_id: UUID, status: str) -> dict[str, Any]:
    """The order's only payment, when the reconciler has brought it to this status."""

    async def there() -> bool:
        await shop.reconcile()
        return await statuses(shop, order_id) == [status]

    await eventually(there)
    (payment,) = await shop.payments(order_id)
    assert payment["next_action"] is None
    return payment


async def opened(shop: Shop, token: str, status: str) -> tuple[UUID, dict[str, Any]]:
    """An order with a payment in this status, about which no process is calling the gateway."""
    order_id = await shop.order()
    answer = await shop.pay(order_id, token, key="a")
    assert answer.status_code == 201, answer.text
    if answer.json()["status"] != status:
        await eventually(lambda: charged(shop, order_id, status))
        [charge] = shop.gateway.charges(order_id)
        assert (await shop.webhook(charge_event(answer.json(), status, id=charge["id"]))).status_code == 204
    (payment,) = await shop.payments(order_id)
    assert (payment["status"], payment["settled_at"]) == (status, None)
    return order_id, payment


async def charged(shop: Shop, order_id: UUID, status: str) -> bool:
    return [charge["status"] for charge in shop.gateway.charges(order_id)] == [status]


async def cancel(shop: Shop, order_id: UUID) -> None:
    assert (await shop.customer.post(f"/orders/{order_id}/cancel", json={})).status_code == 200


async def expire(shop: Shop, order_id: UUID) -> None:
    """Its `pay_by` has passed."""
    await jobs.expire(shop.runtime)
    assert (await shop.state(order_id)).status == "expired"


async def pay_elsewhere(shop: Shop, order_id: UUID) -> None:
    await shop.set_status(order_id, "paid")


ENDINGS: list[Callable[[Shop, UUID], Awaitable[None]]] = [cancel, expire, pay_elsewhere]


@pytest.mark.parametrize(("answer", "end", "order"), [("confirm", "succeeded", "paid"), ("reject", "failed", None)])
async def test_a_payment_waits_for_its_customer(shop: Shop, answer: str, end: str, order: str | None) -> None:
    order_id, payment = await opened(shop, "tok_action_required", "action_required")
    assert payment["next_action"]["type"] == "redirect"
    assert (await shop.pay(order_id, "tok_action_required", key="a")).json() == payment
    under_way = await shop.pay(order_id)
    assert under_way.json()["type"] == "/problems/payment-under-way"
    await shop.reconcile()
    assert await statuses(shop, order_id) == ["action_required"]
    assert (await shop.state(order_id)).status == "awaiting_payment"
    assert await shop.tokens() == []

    shop.gateway.answer(payment, answer)
    settled = await ends_as(shop, order_id, end)
    assert settled["failure_reason"] == ("authentication_failed" if end == "failed" else None)
    assert (await shop.state(order_id)).status == (order or "awaiting_payment")
    if end == "failed":
        assert (await shop.pay(order_id)).status_code == 201, "another may follow"


async def test_webhooks_alone_settle_payments_of_both_kinds(shop: Shop) -> None:
    waiting, authorised = await shop.order(), await shop.order()
    async with shop.listening():
        shop.gateway.answer((await shop.pay(waiting, "tok_action_required")).json(), "confirm")
        await shop.pay(authorised, "tok_authorised")

        async def both_paid() -> bool:
            await shop.execute("UPDATE payments SET call_until = now() WHERE settled_at IS NULL")
            await reconcile_payments(shop.runtime)
            return {(await shop.state(id)).status for id in (waiting, authorised)} == {"paid"}

        await eventually(both_paid)
    for order_id in (waiting, authorised):
        assert [charge["captured"] for charge in shop.gateway.charges(order_id)] == [TOTAL]
    assert len(await shop.served.events(payment_status.PaymentSucceeded)) == 2


async def test_an_authorised_payment_is_captured_once(shop: Shop) -> None:
    order_id, payment = await opened(shop, "tok_authorised", "authorised")
    assert (await shop.state(order_id)).captured == 0
    await ends_as(shop, order_id, "succeeded")
    await shop.webhook(charge_event(payment, "authorised"))
    await shop.webhook(charge_event(payment, "voided"))
    assert await statuses(shop, order_id) == ["succeeded"]
    assert (await shop.state(order_id)).status == "paid"
    assert [charge["captured"] for charge in shop.gateway.charges(order_id)] == [TOTAL]
    assert len(await shop.served.events(order_notification.OrderPaid)) == 1
    assert await shop.refunds(order_id) == []


async def test_verify_captures_an_authorised_payment(shop: Shop) -> None:
    order_id, payment = await opened(shop, "tok_authorised", "authorised")
    assert (await shop.verified(payment["id"]))["status"] == "succeeded"
    assert (await shop.state(order_id)).status == "paid"


@pytest.mark.parametrize(
    ("token", "status"), [("tok_action_required", "action_required"), ("tok_authorised", "authorised")]
)
@pytest.mark.parametrize("end", ENDINGS)
async def test_an_order_that_has_ended_cancels_its_open_payment(
    shop: Shop, token: str, status: str, end: Callable[[Shop, UUID], Awaitable[None]]
) -> None:
    order_id, _ = await opened(shop, token, status)
    await end(shop, order_id)
    payment = await ends_as(shop, order_id, "voided")
    assert payment["settled_at"] is not None
    assert await charged(shop, order_id, "voided")
    assert await shop.served.events(payment_status.PaymentFailed) == [], "the order's own event reports it"
    assert (await shop.state(order_id)).captured == 0


async def test_the_end_of_an_order_makes_its_payment_due_to_be_checked(shop: Shop) -> None:
    order_id, _ = await opened(shop, "tok_action_required", "action_required")
    await shop.execute("UPDATE payments SET check_at = now() + interval '1 hour', call_until = now()")
    await cancel(shop, order_id)
    await reconcile_payments(shop.runtime)
    assert await statuses(shop, order_id) == ["voided"]


async def test_a_payment_whose_order_ends_during_a_call_is_checked_after_it(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id, _ = await opened(shop, "tok_action_required", "action_required")
    resolve = our_gateway.resolve

    async def meanwhile(request: ChargeRequest) -> Any:
        found = await resolve(request)
        await cancel(shop, order_id)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, "resolve", meanwhile)
        await shop.reconcile()
    assert await statuses(shop, order_id) == ["action_required"]
    await reconcile_payments(shop.runtime)
    assert await statuses(shop, order_id) == ["voided"]


async def test_money_captured_after_the_order_has_ended_is_refunded(shop: Shop) -> None:
    """The customer confirmed while the order expired, so the charge can no longer be cancelled."""
    order_id, payment = await opened(shop, "tok_action_required", "action_required")
    shop.gateway.answer(payment, "confirm")
    await expire(shop, order_id)
    await ends_as(shop, order_id, "succeeded")
    await shop.carry_out_refunds()
    assert [refund["amount"] for refund in shop.gateway.refunds(order_id)] == [TOTAL]
    assert (await shop.state(order_id)).payment_status == "refunded"


@pytest.mark.parametrize("crash", [crash_before, crash_after])
@pytest.mark.parametrize(("step", "status"), [("capture", "succeeded"), ("cancel", "voided")])
async def test_after_a_crash_the_step_is_repeated_once(
    shop: Shop,
    our_gateway: SandboxGateway,
    monkeypatch: pytest.MonkeyPatch,
    crash: Callable[[Charging], Charging],
    step: str,
    status: str,
) -> None:
    order_id, _ = await opened(shop, "tok_authorised", "authorised")
    if step == "cancel":
        await cancel(shop, order_id)
    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, step, crash(getattr(our_gateway, step)))
        with pytest.raises(Crash):
            await shop.reconcile()
    assert await statuses(shop, order_id) == ["authorised"]
    await ends_as(shop, order_id, status)
    assert [charge["captured"] for charge in shop.gateway.charges(order_id)] == [TOTAL * (step == "capture")]
    assert await shop.refunds(order_id) == []


@pytest.mark.parametrize("answer", [NoResponse.LOST, NoResponse.UNREACHABLE, Rejected("charge-not-capturable")])
async def test_a_capture_without_success_is_tried_again_later(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    order_id, _ = await opened(shop, "tok_authorised", "authorised")

    async def broken(*_: Any) -> Any:
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, "capture", broken)
        await shop.reconcile()
        async with shop.runtime.database.connection() as connection:
            pause = await connection.fetchval("SELECT check_at - now() FROM payments")
        assert pause.total_seconds() > 0
    await ends_as(shop, order_id, "succeeded")


async def test_the_customer_is_notified_of_a_lapsed_authorisation_while_the_order_awaits_payment(shop: Shop) -> None:
    order_id, payment = await opened(shop, "tok_authorised", "authorised")
    assert (await shop.webhook(charge_event(payment, "voided"))).status_code == 204
    (published,) = await shop.served.events(payment_status.PaymentFailed)
    assert published.reason == "voided"
    assert (await shop.pay(order_id)).status_code == 201, "another may follow"


@pytest.mark.parametrize("row", ["failed", "lost"])
async def test_a_charge_that_is_authorised_after_its_payment_was_given_up_is_cancelled(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    order_id, payment = await opened(shop, "tok_authorised", "authorised")
    await shop.execute("UPDATE payments SET status = 'failed', settled_at = now() WHERE id = $1", UUID(payment["id"]))
    if row == "lost":
        await shop.execute("DELETE FROM payments WHERE id = $1", UUID(payment["id"]))
    event = charge_event(payment, "authorised")
    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, "url", "http://127.0.0.1:1")
        assert (await shop.webhook(event)).status_code == 503, "the gateway is to report it again"
    assert (await shop.webhook(event)).status_code == 204
    assert await charged(shop, order_id, "voided")
    assert await statuses(shop, order_id) == ["voided"]
    assert len(await shop.served.events(payment_status.PaymentFailed)) == (row == "lost"), "published before"


async def test_a_payment_by_token_may_need_the_customers_confirmation(shop: Shop) -> None:
    order_id = await shop.order(token="tok_action_required")
    await shop.pay_by_tokens()
    (payment,) = await shop.payments(order_id)
    assert payment["status"] == "action_required"
    await shop.pay_by_tokens()
    assert len(await shop.payments(order_id)) == 1
    shop.gateway.answer(payment, "confirm")
    await ends_as(shop, order_id, "succeeded")


async def test_the_adapter_can_authorise_capture_and_cancel(our_gateway: SandboxGateway, shop: Shop) -> None:
    """The adapter's answers to each step; the service itself always requests capture at once."""
    order_id = await shop.order()
    wanted = ChargeRequest("payment-by-hand", TOTAL, "GBP", order_id, token="tok_ok", capture=False)
    assert await our_gateway.resolve(ChargeRequest("payment-by-hand", TOTAL, "GBP", order_id)) is None
    made = await our_gateway.resolve(wanted)
    await eventually(lambda: charged(shop, order_id, "authorised"))
    found = await our_gateway.resolve(wanted)
    assert not isinstance(made, Rejected | NoResponse | None)
    assert not isinstance(found, Rejected | NoResponse | None)
    assert (found.id, found.state, found.order_reference) == (made.id, PaymentState.AUTHORISED, str(order_id))
    captured = await our_gateway.capture("capture-by-hand", found.id, 900)
    assert not isinstance(captured, Rejected | NoResponse)
    assert (captured.state, captured.amount) == (PaymentState.SUCCEEDED, 900)
    assert await our_gateway.cancel("cancel-by-hand", found.id) == Rejected("charge-not-cancellable")
    assert await our_gateway.cancel("cancel-by-hand-2", "ch_unknown") == Rejected("not-found")
