"""Webhooks: signed, duplicate, late, out of order, before our own transaction, and about other systems' charges."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import order_notification, payment_status
from order_service.payments.gateways.port import ChargeRequest
from order_service.payments.gateways.sandbox import SandboxGateway
from order_service.tests.payments.conftest import TOTAL, Shop, charge_event


async def opened(shop: Shop, order_id: UUID, token: str = "tok_ok") -> dict[str, Any]:
    payment: dict[str, Any] = (await shop.pay(order_id, token)).json()
    return payment


async def test_a_wrong_signature_is_401_and_changes_nothing(shop: Shop) -> None:
    order_id = await shop.order()
    event = charge_event(await opened(shop, order_id), "succeeded")
    wrong = await shop.webhook(event, secret="another secret")
    assert (wrong.status_code, wrong.json()["type"]) == (401, "/problems/webhook-signature-wrong")
    unsigned = await shop.served.anonymous.post("/payments/webhooks/sandbox", content=json.dumps(event))
    assert unsigned.status_code == 401
    assert (await shop.state(order_id)).status == "awaiting_payment"
    assert (await shop.webhook(event)).status_code == 204
    assert (await shop.state(order_id)).status == "paid"


async def test_another_gateway_is_not_found(shop: Shop) -> None:
    answer = await shop.served.anonymous.post("/payments/webhooks/nobody", content=b"{}")
    assert answer.status_code == 404


async def test_twenty_duplicates_at_once_settle_the_payment_once(shop: Shop) -> None:
    order_id = await shop.order()
    event = charge_event(await opened(shop, order_id), "succeeded")
    answers = await asyncio.gather(*(shop.webhook(event) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {204}
    assert len(await shop.served.events(payment_status.PaymentSucceeded)) == 1
    assert len(await shop.served.events(order_notification.OrderPaid)) == 1
    assert (await shop.state(order_id)).captured == TOTAL
    assert await shop.refunds(order_id) == []


async def test_a_webhook_after_success_changes_nothing(shop: Shop) -> None:
    order_id = await shop.order()
    payment = await opened(shop, order_id)
    for status in ("succeeded", "pending", "failed", "succeeded"):
        assert (await shop.webhook(charge_event(payment, status))).status_code == 204
    assert [p["status"] for p in await shop.payments(order_id)] == ["succeeded"]
    assert await shop.served.events(payment_status.PaymentFailed) == []


async def test_success_after_failure_still_counts(shop: Shop) -> None:
    order_id = await shop.order()
    payment = await opened(shop, order_id)
    await shop.webhook(charge_event(payment, "failed"))
    assert [p["status"] for p in await shop.payments(order_id)] == ["failed"]
    await shop.webhook(charge_event(payment, "succeeded"))
    (settled,) = await shop.payments(order_id)
    assert (settled["status"], settled["failure_reason"]) == ("succeeded", None)
    assert (await shop.state(order_id)).status == "paid"


async def test_the_webhook_may_arrive_before_our_own_second_transaction(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id, charge = await shop.order(), our_gateway.open

    async def open_and_send_webhook(request: ChargeRequest) -> Any:
        answer = await charge(request)
        event = charge_event(
            {
                "id": request.key.removeprefix("payment-"),
                "gateway_charge_id": getattr(answer, "id", None),
                "order_id": str(order_id),
                "amount": {"amount": TOTAL, "currency": "GBP"},
            },
            "succeeded",
        )
        assert (await shop.webhook(event)).status_code == 204
        return answer

    monkeypatch.setattr(our_gateway, "open", open_and_send_webhook)
    answer = await shop.pay(order_id, key="a")
    assert answer.status_code == 201
    assert (await shop.pay(order_id, key="a")).content == answer.content
    (payment,) = await shop.payments(order_id)
    assert payment["status"] == "succeeded"
    assert payment["gateway_charge_id"] == shop.gateway.charges(order_id)[0]["id"]


def unknown(order_id: UUID) -> dict[str, Any]:
    """A payment without a row in our database."""
    money = {"amount": 7, "currency": "GBP"}
    return {"id": uuid4(), "gateway_charge_id": "ch_unknown", "order_id": str(order_id), "amount": money}


async def test_a_charge_of_another_system_is_ignored(shop: Shop) -> None:
    foreign = unknown(uuid4())
    assert (await shop.webhook(charge_event(foreign, "succeeded"))).status_code == 204
    assert (await shop.webhook(charge_event(foreign, "succeeded", idempotency_key="theirs"))).status_code == 204
    assert await shop.served.events() == []


async def test_a_charge_of_an_order_of_ours_is_booked_although_its_payment_is_missing(shop: Shop) -> None:
    order_id = await shop.order("cancelled")
    lost = unknown(order_id)
    assert (await shop.webhook(charge_event(lost, "succeeded"))).status_code == 204
    assert (await shop.webhook(charge_event(lost, "succeeded"))).status_code == 204
    assert [(p["status"], p["amount"]["amount"]) for p in await shop.payments(order_id)] == [("succeeded", 7)]
    assert [r["amount"]["amount"] for r in await shop.refunds(order_id)] == [7]


async def test_a_refund_made_at_the_gateway_is_booked_once(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    event = {
        "type": "refund.succeeded",
        "data": {
            "refund": {
                "id": "re_there",
                "charge_id": payment["gateway_charge_id"],
                "status": "succeeded",
                "amount": 300,
                "currency": "GBP",
                "idempotency_key": "made by hand",
            }
        },
    }
    for _ in range(2):
        assert (await shop.webhook(event)).status_code == 204
    (refund,) = await shop.refunds(order_id)
    assert (refund["status"], refund["amount"]["amount"]) == ("succeeded", 300)
    assert len(await shop.served.events(payment_status.PaymentRefunded)) == 1
    assert (await shop.state(order_id)).payment_status == "partially_refunded"
    too_much = await shop.refund(payment["id"], 701)
    assert (too_much.status_code, too_much.json()["left"]) == (409, 700)
