"""Opening payments: every card, duplicate requests, and failures between the transactions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import order_notification, payment_status
from order_service.payments.gateways.port import ChargeRequest, NoResponse
from order_service.payments.gateways.sandbox import SandboxGateway
from order_service.tests.payments.conftest import TOTAL, Shop, eventually

Charging = Callable[..., Awaitable[Any]]


@pytest.mark.parametrize("token", ["tok_ok", "tok_late", "tok_duplicate", "tok_lost_answer"])
async def test_every_valid_card_is_charged_once(shop: Shop, token: str) -> None:
    order_id = await shop.order()
    async with shop.listening():
        answer = await shop.pay(order_id, token)
        assert answer.status_code == 201, answer.text
        assert answer.json()["status"] == "pending"
        assert answer.json()["amount"] == {"amount": TOTAL, "currency": "GBP"}
        assert answer.headers["Location"] == f"/payments/{answer.json()['id']}"

        async def is_paid() -> bool:
            return (await shop.state(order_id)).status == "paid"

        await eventually(is_paid)
        assert len(shop.gateway.charges(order_id)) == 1
    assert [p["status"] for p in await shop.payments(order_id)] == ["succeeded"]
    assert len(await shop.served.events(payment_status.PaymentPending)) == 1
    assert [e.version for e in await shop.served.events(payment_status.PaymentSucceeded)] == [2]
    assert len(await shop.served.events(order_notification.OrderPaid)) == 1
    assert await shop.refunds(order_id) == []


async def test_after_a_declined_card_another_may_be_tried(shop: Shop) -> None:
    order_id = await shop.order()
    declined = await shop.verified((await shop.pay(order_id, "tok_declined")).json()["id"])
    assert (declined["status"], declined["failure_reason"]) == ("failed", "card_declined")
    assert (await shop.state(order_id)).status == "awaiting_payment"
    (published,) = await shop.served.events(payment_status.PaymentFailed)
    assert published.reason == "card_declined"

    assert (await shop.verified((await shop.pay(order_id)).json()["id"]))["status"] == "succeeded"
    assert (await shop.state(order_id)).status == "paid"


async def test_a_card_unknown_to_the_gateway_fails_at_once(shop: Shop) -> None:
    order_id = await shop.order()
    answer = await shop.pay(order_id, "no-such-token")
    assert (answer.status_code, answer.json()["status"]) == (201, "failed")
    assert shop.gateway.charges(order_id) == []


async def test_twenty_requests_with_one_key_charge_once(shop: Shop) -> None:
    order_id, key = await shop.order(), str(uuid4())
    answers = await asyncio.gather(*(shop.pay(order_id, key=key) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {a.json()["type"] for a in answers if a.status_code == 409} <= {"/problems/idempotency-key-in-use"}
    again = await shop.pay(order_id, key=key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert {a.content for a in answers if a.status_code == 201} == {again.content}
    assert sum("Idempotent-Replayed" not in a.headers for a in answers if a.status_code == 201) == 1
    assert len(shop.gateway.charges(order_id)) == 1


async def test_twenty_requests_with_their_own_keys_charge_once(shop: Shop) -> None:
    order_id = await shop.order()
    answers = await asyncio.gather(*(shop.pay(order_id) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {a.json()["type"] for a in answers if a.status_code == 409} == {"/problems/payment-under-way"}
    assert len(shop.gateway.charges(order_id)) == 1


async def test_a_key_is_required_and_belongs_to_one_body(shop: Shop) -> None:
    order_id = await shop.order()
    missing = await shop.customer.post(f"/orders/{order_id}/payments", json={"token": "tok_ok"})
    assert (missing.status_code, missing.json()["type"]) == (400, "/problems/idempotency-key-missing")
    await shop.pay(order_id, "tok_ok", key="a")
    other = await shop.pay(order_id, "tok_late", key="a")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


async def test_only_an_order_that_awaits_payment_can_be_paid(shop: Shop) -> None:
    for status in ("pending", "paid", "cancelling", "cancelled", "expired", "rejected", "shipped"):
        order_id = await shop.order(status)
        rejected = await shop.pay(order_id)
        assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/order-not-awaiting-payment")
        assert shop.gateway.charges(order_id) == []


async def test_another_customers_order_and_payment_are_not_found(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    other = shop.served.caller()
    assert (await shop.pay(order_id, by=other)).status_code == 404
    for path in (f"/orders/{order_id}/payments", f"/payments/{payment['id']}", f"/payments/{payment['id']}/refunds"):
        assert (await other.get(path)).status_code == 404
        assert (await shop.customer.get(path)).status_code == 200
        assert (await shop.staff.get(path)).status_code == 200
        assert (await shop.served.anonymous.get(path)).status_code == 401
    assert (await other.post(f"/payments/{payment['id']}/verify")).status_code == 404
    assert (await other.get("/payments")).status_code == 403
    assert (await other.get("/refunds")).status_code == 403


async def test_staff_pay_for_a_customer_and_list_payments(shop: Shop) -> None:
    order_id = await shop.order()
    paid = await shop.pay(order_id, by=shop.staff)
    assert (paid.status_code, paid.json()["customer_id"]) == (201, str(shop.customer.user_id))
    listed = await shop.staff.get("/payments", params={"status": "pending", "customer_id": str(shop.customer.user_id)})
    assert [item["id"] for item in listed.json()["items"]] == [paid.json()["id"]]
    assert (await shop.staff.get("/payments", params={"status": "failed"})).json()["items"] == []


async def test_a_duplicate_request_during_the_gateway_call_is_a_conflict(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id, asked, go_on, charge = await shop.order(), asyncio.Event(), asyncio.Event(), our_gateway.open

    async def slow(*args: Any, **kwargs: Any) -> Any:
        asked.set()
        await go_on.wait()
        return await charge(*args, **kwargs)

    monkeypatch.setattr(our_gateway, "open", slow)
    first = asyncio.create_task(shop.pay(order_id, key="a"))
    await asked.wait()
    duplicate = await shop.pay(order_id, key="a")
    assert (duplicate.status_code, duplicate.json()["type"]) == (409, "/problems/idempotency-key-in-use")
    assert duplicate.headers["Retry-After"]
    go_on.set()
    assert (await first).status_code == 201
    replayed = await shop.pay(order_id, key="a")
    assert (replayed.content, replayed.headers["Idempotent-Replayed"]) == ((await first).content, "true")


class Crash(Exception):
    """Stands for the end of the process."""


def crash_before(charge: Charging) -> Charging:
    async def broken(*args: Any, **kwargs: Any) -> Any:
        raise Crash

    return broken


def crash_after(charge: Charging) -> Charging:
    async def broken(*args: Any, **kwargs: Any) -> Any:
        await charge(*args, **kwargs)
        raise Crash

    return broken


@pytest.mark.parametrize("crash", [crash_before, crash_after])
async def test_after_a_crash_a_duplicate_request_continues_the_same_charge(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch, crash: Callable[[Charging], Charging]
) -> None:
    order_id = await shop.order()
    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, "open", crash(our_gateway.open))
        assert (await shop.pay(order_id, key="a")).status_code == 500
    assert (await shop.pay(order_id, key="a")).status_code == 409, "its call may still be under way"
    await shop.forget_calls()
    assert (await shop.pay(order_id, key="a")).status_code == 201
    assert (await shop.pay(order_id, key="a")).headers["Idempotent-Replayed"] == "true"
    assert len(shop.gateway.charges(order_id)) == 1
    assert [p["status"] for p in await shop.payments(order_id)] in (["pending"], ["succeeded"])


@pytest.mark.parametrize("crash", [crash_before, crash_after])
async def test_after_a_crash_the_reconciler_continues_the_same_charge(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch, crash: Callable[[Charging], Charging]
) -> None:
    order_id = await shop.order()
    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, "open", crash(our_gateway.open))
        await shop.pay(order_id, key="a")

    async def is_paid() -> bool:
        await shop.reconcile()
        return (await shop.state(order_id)).status == "paid"

    await eventually(is_paid)
    assert len(shop.gateway.charges(order_id)) == 1
    assert await shop.tokens() == []
    answer = await shop.pay(order_id, key="a")
    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")


async def cancel(shop: Shop, order_id: UUID) -> None:
    assert (await shop.customer.post(f"/orders/{order_id}/cancel", json={})).status_code == 200


async def pay_elsewhere(shop: Shop, order_id: UUID) -> None:
    await shop.set_status(order_id, "paid")


@pytest.mark.parametrize("end", [cancel, pay_elsewhere])
async def test_after_a_crash_an_order_that_no_longer_awaits_payment_is_not_charged(
    shop: Shop,
    our_gateway: SandboxGateway,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Shop, UUID], Awaitable[None]],
) -> None:
    order_id = await shop.order()
    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, "open", crash_before(our_gateway.open))
        await shop.pay(order_id)
    await end(shop, order_id)
    await shop.reconcile()
    assert shop.gateway.charges(order_id) == []
    assert [(p["status"], p["failure_reason"]) for p in await shop.payments(order_id)] == [("failed", "never-charged")]
    assert await shop.tokens() == []


async def test_a_lost_answer_is_reconciled_without_a_webhook(shop: Shop) -> None:
    order_id = await shop.order()
    assert (await shop.pay(order_id, "tok_lost_answer")).json()["status"] == "pending"

    async def is_paid() -> bool:
        await shop.reconcile()
        return (await shop.state(order_id)).status == "paid"

    await eventually(is_paid)
    assert len(shop.gateway.charges(order_id)) == 1


async def test_an_unreachable_gateway_is_503_and_the_same_key_works_later(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await shop.order()
    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, "url", "http://127.0.0.1:1")
        away = await shop.pay(order_id, key="a")
        assert (away.status_code, away.json()["type"]) == (503, "/problems/unavailable")
        await shop.reconcile()
        assert await our_gateway.resolve(ChargeRequest("any", 1, "GBP", order_id)) is NoResponse.UNREACHABLE
        assert await shop.tokens() == []
    back = await shop.pay(order_id, key="a")
    assert (back.status_code, "Idempotent-Replayed" in back.headers) == (201, False)
    assert len(shop.gateway.charges(order_id)) == 1


async def test_no_charge_after_the_gateway_was_reported_unavailable(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await shop.order()
    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, "url", "http://127.0.0.1:1")
        assert (await shop.pay(order_id)).status_code == 503
    await shop.reconcile()
    assert shop.gateway.charges(order_id) == []
    assert [(p["status"], p["failure_reason"]) for p in await shop.payments(order_id)] == [("failed", "never-charged")]
    assert (await shop.pay(order_id)).status_code == 201, "another payment may follow"


async def test_an_order_with_a_token_is_charged_automatically(shop: Shop) -> None:
    order_id, waiting = await shop.order(token="tok_ok"), await shop.order("pending", token="tok_ok")
    await shop.pay_by_tokens()
    await shop.pay_by_tokens()

    async def is_paid() -> bool:
        await shop.reconcile()
        return (await shop.state(order_id)).status == "paid"

    await eventually(is_paid)
    assert len(shop.gateway.charges(order_id)) == 1
    assert shop.gateway.charges(waiting) == []
    assert await shop.tokens() == [waiting]


@pytest.mark.parametrize("crash", [crash_before, crash_after])
async def test_a_payment_by_token_continues_after_a_crash(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch, crash: Callable[[Charging], Charging]
) -> None:
    order_id = await shop.order(token="tok_ok")
    with monkeypatch.context() as patch:
        patch.setattr(our_gateway, "open", crash(our_gateway.open))
        with pytest.raises(Crash):
            await shop.pay_by_tokens()
    await shop.pay_by_tokens()

    async def is_paid() -> bool:
        await shop.reconcile()
        return (await shop.state(order_id)).status == "paid"

    await eventually(is_paid)
    assert len(shop.gateway.charges(order_id)) == 1


async def test_a_declined_token_is_tried_once(shop: Shop) -> None:
    order_id = await shop.order(token="tok_declined")
    await shop.pay_by_tokens()

    async def has_failed() -> bool:
        await shop.reconcile()
        return [p["status"] for p in await shop.payments(order_id)] == ["failed"]

    await eventually(has_failed)
    await shop.pay_by_tokens()
    assert len(await shop.payments(order_id)) == 1
