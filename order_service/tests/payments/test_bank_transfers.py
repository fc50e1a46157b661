"""Payments by bank transfer: booked once, settled as every other payment, and refunded by hand."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import structlog

from contracts.events import payment_status
from contracts.events.users import UserErased
from order_service.fulfilment.jobs import expire
from order_service.payments.gateways.sandbox import SandboxGateway
from order_service.payments.jobs import OVERDUE, carry_out_refunds, count_overdue, reconcile_payments
from order_service.tests.payments.conftest import TOTAL, Shop
from service_kit.clock import utcnow

REASON, NOTE = "your transfer of Friday", "matched by hand: the payer wrote another number"
AT_ONCE = 12


async def record(
    shop: Shop, order_id: UUID, amount: int = TOTAL, *, key: str | None = None, **more: Any
) -> httpx.Response:
    body = {"amount": amount, "reference": "E2E-1", "reason": REASON, "received_on": "2026-11-27", **more}
    headers = {"Idempotency-Key": key or str(uuid4())}
    return await shop.staff.post(f"/orders/{order_id}/bank-transfers", json=body, headers=headers)


async def recorded(shop: Shop, order_id: UUID, amount: int = TOTAL, **more: Any) -> dict[str, Any]:
    answer = await record(shop, order_id, amount, **more)
    assert answer.status_code == 201, answer.text
    payment: dict[str, Any] = answer.json()
    return payment


async def confirm(shop: Shop, refund_id: str, reference: str = "OUT-1") -> httpx.Response:
    return await shop.staff.post(f"/refunds/{refund_id}/confirm", json={"reference": reference})


async def fail(shop: Shop, refund_id: str, reason: str = "account-closed") -> httpx.Response:
    return await shop.staff.post(f"/refunds/{refund_id}/fail", json={"reason": reason})


def kinds(answers: list[httpx.Response]) -> list[Any]:
    return sorted((a.status_code, a.json().get("type", "").rpartition("/")[2]) for a in answers)


async def history(shop: Shop, order_id: UUID, *, by_staff: bool) -> list[dict[str, Any]]:
    caller = shop.staff if by_staff else shop.customer
    items: list[dict[str, Any]] = (await caller.get(f"/orders/{order_id}/history")).json()["items"]
    return items


async def test_a_transfer_of_the_total_pays_the_order(shop: Shop) -> None:
    order_id = await shop.order()
    payment = await recorded(shop, order_id, reference="  e2e  1 ")
    assert (payment["status"], payment["gateway"], payment["gateway_charge_id"]) == (
        "succeeded", "bank_transfer", "E2E 1",
    )  # fmt: skip
    order = await shop.state(order_id)
    assert (order.status, order.captured, order.payment_status) == ("paid", TOTAL, "paid")
    [event] = await shop.served.events(payment_status.PaymentSucceeded)
    assert (event.gateway, event.reference, event.amount.amount) == ("bank_transfer", "E2E 1", TOTAL)


async def test_the_history_says_who_recorded_it_and_why_and_only_staff_see_the_note(shop: Shop) -> None:
    order_id = await shop.order()
    await recorded(shop, order_id, note=NOTE)
    for by_staff, note in ((False, None), (True, NOTE)):
        [entry] = await history(shop, order_id, by_staff=by_staff)
        assert (entry["trigger"], entry["actor"], entry["actor_id"]) == (
            "captured in full", "staff", str(shop.staff.user_id),
        )  # fmt: skip
        assert (entry["reason"], entry["note"]) == (REASON, note)
        assert entry["details"] == {"reference": "E2E-1", "received_on": "2026-11-27"}
    assert NOTE not in "".join(event.model_dump_json() for event in await shop.served.events())
    assert NOTE not in (await shop.customer.get("/me/export")).text


async def test_an_erasure_deletes_the_texts_and_keeps_the_reference(shop: Shop) -> None:
    order_id = await shop.order("cancelled")
    await recorded(shop, order_id, note=NOTE)
    [refund] = await shop.refunds(order_id)
    with structlog.testing.capture_logs() as logs:
        await fail(shop, refund["id"], "Ada's account is closed")
    assert [each["reason"] for each in logs if each["event"] == "refund_failed"] == [None]
    await shop.served.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    [entry] = await history(shop, order_id, by_staff=True)
    assert (entry["reason"], entry["note"], entry["details"]["reference"]) == (None, None, "E2E-1")
    [refund] = await shop.refunds(order_id)
    assert (refund["reason"], refund["failure_reason"]) == (None, None)


async def test_transfers_in_parts_and_a_card_pay_together(shop: Shop) -> None:
    order_id = await shop.order()
    await recorded(shop, order_id, 300)
    assert (await shop.state(order_id)).payment_status == "partially_paid"
    await recorded(shop, order_id, 200, reference="E2E-2")
    opened = (await shop.pay(order_id)).json()
    assert opened["amount"]["amount"] == TOTAL - 500, "the card pays the rest"
    await shop.verified(opened["id"])
    order = await shop.state(order_id)
    assert (order.status, order.captured) == ("paid", TOTAL)


async def test_what_is_too_much_waits_for_its_refund_by_hand(shop: Shop) -> None:
    order_id = await shop.order()
    await recorded(shop, order_id, TOTAL + 50)
    [refund] = await shop.refunds(order_id)
    assert (refund["status"], refund["amount"]["amount"]) == ("requested", 50)
    assert (await shop.state(order_id)).status == "paid"
    [entry] = await history(shop, order_id, by_staff=False)
    assert entry["reason"] == f"{REASON}; 50 of {TOTAL + 50} are refunded: the order doesn't want them"


@pytest.mark.parametrize("status", ["expired", "cancelled", "rejected"])
async def test_money_for_an_ended_order_waits_for_its_refund_by_hand(shop: Shop, status: str) -> None:
    order_id = await shop.order(status)
    await recorded(shop, order_id)
    [refund] = await shop.refunds(order_id)
    assert (refund["status"], refund["amount"]["amount"]) == ("requested", TOTAL)
    by_hand = {"status": "requested", "gateway": "bank_transfer"}
    assert [each["id"] for each in (await shop.staff.get("/refunds", params=by_hand)).json()["items"]] == [refund["id"]]
    confirmed = await confirm(shop, refund["id"])
    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "succeeded")
    order = await shop.state(order_id)
    assert (order.status, order.captured, order.refunded, order.refunding) == (status, TOTAL, TOTAL, 0)
    [event] = await shop.served.events(payment_status.PaymentRefunded)
    assert (event.reference, str(event.refund_id)) == ("OUT-1", refund["id"])


async def test_no_gateway_is_ever_asked_about_a_transfer(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def called(*_: Any, **__: Any) -> Any:
        raise AssertionError("the gateway was called")

    order_id = await shop.order("expired")
    payment = await recorded(shop, order_id)
    monkeypatch.setattr(our_gateway, "_ask", called)
    await shop.forget_calls()
    await carry_out_refunds(shop.runtime)
    await reconcile_payments(shop.runtime)
    assert (await shop.staff.post(f"/payments/{payment['id']}/verify")).json()["status"] == "succeeded"
    [refund] = await shop.refunds(order_id)
    assert refund["status"] == "requested"
    await shop.execute("UPDATE refunds SET created_at = now() - interval '1 day'")
    await count_overdue(shop.runtime)
    assert OVERDUE.labels("refund")._value.get() == 0, "it waits for staff, not for a gateway"


async def test_staff_decide_only_refunds_of_transfers(shop: Shop) -> None:
    _, payment = await shop.paid()
    refund = (await shop.refund(payment["id"])).json()
    for answer in (await confirm(shop, refund["id"]), await fail(shop, refund["id"])):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/refund-not-by-hand")


async def test_a_failed_refund_leaves_the_money_to_be_refunded_again(shop: Shop) -> None:
    order_id = await shop.order("cancelled")
    payment = await recorded(shop, order_id)
    [first] = await shop.refunds(order_id)
    failed = await fail(shop, first["id"])
    assert (failed.json()["status"], failed.json()["failure_reason"]) == ("failed", "account-closed")
    assert (await fail(shop, first["id"])).status_code == 200, "sent again"
    for answer in (await confirm(shop, first["id"]), await fail(shop, first["id"], "another reason")):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/refund-decided")
    again = await shop.refund(payment["id"])
    assert again.json()["amount"]["amount"] == TOTAL
    assert (await confirm(shop, again.json()["id"])).status_code == 200
    assert (await shop.state(order_id)).refunded == TOTAL


async def test_a_reference_is_booked_once_on_whichever_order(shop: Shop) -> None:
    first, second = await shop.order(), await shop.order()
    await recorded(shop, first)
    for order_id, reference in ((first, "E2E-1"), (second, "E2E-1"), (second, " e2e-1 ")):
        answer = await record(shop, order_id, reference=reference)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/bank-transfer-recorded")
    assert (await shop.state(second)).captured == 0


async def test_a_request_that_is_sent_again_gets_the_same_payment(shop: Shop) -> None:
    order_id = await shop.order()
    answers = [await record(shop, order_id, key="same") for _ in range(2)]
    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await shop.payments(order_id)) == 1


async def test_a_transfer_that_is_recorded_often_at_once_is_booked_once(shop: Shop) -> None:
    orders = [await shop.order() for _ in range(3)]
    answers = await asyncio.gather(*(record(shop, orders[n % 3]) for n in range(AT_ONCE)))
    assert kinds(answers) == [(201, ""), *[(409, "bank-transfer-recorded")] * (AT_ONCE - 1)]
    assert sorted([(await shop.state(order_id)).captured for order_id in orders]) == [0, 0, TOTAL]


@pytest.mark.parametrize("attempt", range(5))
async def test_a_transfer_while_the_order_expires_pays_it_or_is_refunded(shop: Shop, attempt: int) -> None:
    order_id = await shop.order()
    await shop.execute("UPDATE orders SET pay_by = $2 WHERE id = $1", order_id, utcnow() - timedelta(seconds=1))
    await asyncio.gather(record(shop, order_id), expire(shop.runtime))
    await expire(shop.runtime)
    order = await shop.state(order_id)
    refunding = {"paid": 0, "expired": TOTAL}[order.status]
    assert (order.captured, order.refunding) == (TOTAL, refunding)
    assert sum(refund["amount"]["amount"] for refund in await shop.refunds(order_id)) == refunding


async def test_a_refund_that_is_confirmed_often_at_once_is_booked_once(shop: Shop) -> None:
    order_id = await shop.order("expired")
    await recorded(shop, order_id)
    [refund] = await shop.refunds(order_id)
    same = [confirm(shop, refund["id"]) for _ in range(AT_ONCE)]
    others = [confirm(shop, refund["id"], f"OUT-{n}") for n in range(2, AT_ONCE)]
    failing = [fail(shop, refund["id"])]
    answers = await asyncio.gather(*same, *others, *failing)
    assert {a.status_code for a in answers} == {200, 409}
    [settled] = await shop.refunds(order_id)
    order = await shop.state(order_id)
    booked = TOTAL if settled["status"] == "succeeded" else 0
    assert (order.refunded, order.refunding) == (booked, 0)
    assert len(await shop.served.events(payment_status.PaymentRefunded)) == (booked > 0)


async def test_two_refunds_cannot_be_confirmed_by_one_reference(shop: Shop) -> None:
    refunds = []
    for number in range(2):
        order_id = await shop.order("expired")
        await recorded(shop, order_id, reference=f"E2E-{number}")
        refunds += await shop.refunds(order_id)
    answers = await asyncio.gather(*(confirm(shop, refund["id"]) for refund in refunds))
    assert kinds(answers) == [(200, ""), (409, "refund-reference-in-use")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"amount": True},
        {"reference": "  "},
        {"reason": ""},
        {"received_on": "2099-01-01"},
        {"received_on": None},
        {"received_on": 86400},
        {"reference": "E2E\u200b1"},
    ],
)
async def test_a_transfer_with_wrong_fields_is_rejected(shop: Shop, wrong: dict[str, Any]) -> None:
    order_id = await shop.order()
    answer = await record(shop, order_id, **wrong)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/validation-failed")
    assert (await shop.state(order_id)).captured == 0


async def test_customers_cannot_record_transfers(shop: Shop) -> None:
    order_id = await shop.order()
    body = {"amount": TOTAL, "reference": "E2E-1", "reason": REASON, "received_on": "2026-11-27"}
    headers = {"Idempotency-Key": "a"}
    answer = await shop.customer.post(f"/orders/{order_id}/bank-transfers", json=body, headers=headers)
    assert answer.status_code == 403
