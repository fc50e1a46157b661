"""Refunds: requested by staff or automatically, never above the captured amount, and always carried out."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from contracts.events import order_notification, payment_status
from contracts.events.users import UserErased
from order_service.orders import queries as orders
from order_service.payments import refunds
from order_service.payments.gateways.port import NoResponse
from order_service.payments.gateways.sandbox import SandboxGateway
from order_service.payments.jobs import carry_out_refunds
from order_service.tests.payments.conftest import TOTAL, Shop, charge_event
from service_kit.queue import JITTER


async def test_partial_refunds_until_nothing_is_left(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    first = await shop.refund(payment["id"], 300)
    assert (first.status_code, first.json()["status"]) == (202, "requested")
    assert (await shop.staff.get(first.headers["Location"])).json()["id"] == first.json()["id"]
    await shop.carry_out_refunds()
    assert (await shop.state(order_id)).payment_status == "partially_refunded"

    rest = await shop.refund(payment["id"])
    assert rest.json()["amount"] == {"amount": 700, "currency": "GBP"}
    await shop.carry_out_refunds()
    assert (await shop.state(order_id)).payment_status == "refunded"
    assert (await shop.state(order_id)).status == "cancelling", "all is refunded, and nothing has left"
    nothing = await shop.refund(payment["id"])
    assert (nothing.status_code, nothing.json()["type"]) == (409, "/problems/nothing-to-refund")

    published = await shop.served.events(payment_status.PaymentRefunded)
    assert [event.amount.amount for event in published] == [300, 700]
    assert [event.version for event in await shop.served.events(payment_status.RefundRequested)] == [3, 5]
    assert [event.version for event in published] == [4, 6]
    assert sorted(r["amount"] for r in shop.gateway.refunds(order_id)) == [300, 700]
    seen = await shop.customer.get(f"/payments/{payment['id']}/refunds")
    assert [r["status"] for r in seen.json()["items"]] == ["succeeded", "succeeded"]


async def test_the_customer_sees_the_reason_of_a_refund_and_only_staff_its_note(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    note = "known for chargebacks"
    words = {"amount": 300, "reason": "it came late", "note": note}
    headers = {"Idempotency-Key": str(uuid4())}
    made = await shop.staff.post(f"/payments/{payment['id']}/refunds", json=words, headers=headers)
    assert (made.json()["reason"], made.json()["note"]) == ("it came late", note)
    paths = (f"/refunds/{made.json()['id']}", f"/payments/{payment['id']}/refunds")
    for by, shown in ((shop.customer, None), (shop.staff, note)):
        for path in paths:
            found = (await by.get(path)).json()
            (refund,) = found.get("items", [found])
            assert (refund["reason"], refund["note"]) == ("it came late", shown)
    assert (await shop.staff.get("/refunds")).json()["items"][0]["note"] == note
    await shop.carry_out_refunds()
    assert [refund["reason"] for refund in shop.gateway.refunds(order_id)] == ["it came late"]
    assert note not in "".join(event.model_dump_json() for event in await shop.served.events())
    assert note not in (await shop.customer.get("/me/export")).text
    await shop.served.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    erased = (await shop.staff.get(paths[0])).json()
    assert (erased["reason"], erased["note"]) == (None, None)


async def test_twenty_refunds_at_once_never_exceed_what_was_captured(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    answers = await asyncio.gather(*(shop.refund(payment["id"], 300) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [409] * 17
    await shop.carry_out_refunds()
    assert sum(refund["amount"] for refund in shop.gateway.refunds(order_id)) == 900
    assert (await shop.state(order_id)).refunded == 900


async def test_twenty_requests_with_one_key_refund_once(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    answers = await asyncio.gather(*(shop.refund(payment["id"], 100, key="a") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert len(await shop.refunds(order_id)) == 1
    assert (await shop.refund(payment["id"], 101, key="a")).status_code == 422


async def test_an_amount_is_a_positive_integer(shop: Shop) -> None:
    _, payment = await shop.paid()
    wrong: list[Any] = [0, -1, 1.5, "10", 10**30]
    assert [(await shop.refund(payment["id"], amount)).status_code for amount in wrong] == [422] * len(wrong)


async def test_only_staff_refund(shop: Shop) -> None:
    _, payment = await shop.paid()
    path, headers = f"/payments/{payment['id']}/refunds", {"Idempotency-Key": "a"}
    assert (await shop.customer.post(path, json={}, headers=headers)).status_code == 403
    assert (await shop.staff.post(path, json={})).status_code == 400
    assert (await shop.staff.post(f"/payments/{uuid4()}/refunds", json={}, headers=headers)).status_code == 404


async def test_money_that_was_not_captured_cannot_be_refunded(shop: Shop) -> None:
    payment = (await shop.pay(await shop.order())).json()
    assert (await shop.refund(payment["id"], 1)).json()["type"] == "/problems/nothing-to-refund"


async def test_money_for_an_ended_order_is_refunded_automatically(shop: Shop) -> None:
    for status in ("cancelled", "expired", "rejected"):
        await assert_money_is_refunded(shop, status)
    assert await shop.served.events(order_notification.OrderPaid) == []


async def assert_money_is_refunded(shop: Shop, status: str) -> None:
    order_id = await shop.order()
    payment = (await shop.pay(order_id)).json()
    await shop.set_status(order_id, status)
    assert (await shop.verified(payment["id"]))["status"] == "succeeded"
    await shop.carry_out_refunds()
    (refund,) = await shop.refunds(order_id)
    assert (refund["status"], refund["amount"]["amount"], refund["requested_by"]) == ("succeeded", TOTAL, None)
    assert sum(r["amount"] for r in shop.gateway.refunds(order_id)) == TOTAL
    order = await shop.state(order_id)
    assert (order.status, order.payment_status) == (status, "refunded")


async def test_an_order_paid_twice_keeps_one_payment(shop: Shop) -> None:
    order_id = await shop.order()
    late = (await shop.pay(order_id)).json()
    await shop.webhook(charge_event(late, "failed"))
    paid = await shop.verified((await shop.pay(order_id)).json()["id"])
    assert (await shop.state(order_id)).status == "paid"
    await shop.webhook(charge_event(late, "succeeded"))
    await shop.carry_out_refunds()
    (refund,) = await shop.refunds(order_id)
    assert (refund["payment_id"], refund["amount"]["amount"]) == (late["id"], TOTAL)
    assert (await shop.state(order_id)).payment_status == "paid"
    assert [p["status"] for p in await shop.payments(order_id)] == ["succeeded", "succeeded"]
    assert len(await shop.served.events(order_notification.OrderPaid)) == 1
    assert (await shop.refund(paid["id"])).json()["amount"]["amount"] == TOTAL


async def test_a_refund_by_staff_does_not_allow_a_second_payment(shop: Shop) -> None:
    order_id = await shop.order()
    late = (await shop.pay(order_id)).json()
    await shop.webhook(charge_event(late, "failed"))
    paid = await shop.verified((await shop.pay(order_id)).json()["id"])
    await shop.refund(paid["id"], 400)
    await shop.carry_out_refunds()
    await shop.webhook(charge_event(late, "succeeded"))
    await shop.carry_out_refunds()
    assert sum(r["amount"] for r in shop.gateway.refunds(order_id)) == TOTAL + 400
    assert (await shop.state(order_id)).payment_status == "partially_refunded"


async def test_the_money_of_a_cancelled_order_is_refunded(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    await shop.refund(payment["id"], 250)
    await shop.carry_out_refunds()
    async with shop.runtime.database.transaction() as tx:
        order = await orders.lock(tx, order_id)
        assert order is not None
        first = await refunds.request(tx, order, None, "cancelled")
        again = await refunds.request(tx, order, None, "cancelled")
    assert [[refund.amount for refund in some] for some in (first, again)] == [[750], []]
    await shop.carry_out_refunds()
    assert (await shop.state(order_id)).payment_status == "refunded"


async def test_a_refund_is_made_once_although_responses_are_lost(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id, payment = await shop.paid()
    await shop.refund(payment["id"], 100)
    send_refund, losses = our_gateway.refund, 3

    async def lossy(*args: Any, **kwargs: Any) -> Any:
        nonlocal losses
        answer = await send_refund(*args, **kwargs)
        losses -= 1
        return NoResponse.LOST if losses >= 0 else answer

    monkeypatch.setattr(our_gateway, "refund", lossy)
    await shop.carry_out_refunds()
    assert [r["amount"] for r in shop.gateway.refunds(order_id)] == [100]
    (refund,) = await shop.refunds(order_id)
    assert refund["status"] == "succeeded"
    assert len(await shop.served.events(payment_status.PaymentRefunded)) == 1


async def test_refund_attempts_back_off(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, payment = await shop.paid()
    await shop.refund(payment["id"], 100)
    monkeypatch.setattr(our_gateway, "url", "http://127.0.0.1:1")
    pauses = []
    for _ in range(3):
        await shop.forget_calls()
        await carry_out_refunds(shop.runtime)
        async with shop.runtime.database.connection() as connection:
            pauses.append(await connection.fetchval("SELECT next_attempt_at - now() FROM refunds"))
    assert [pause.total_seconds() for pause in pauses] == pytest.approx([2, 4, 8], rel=JITTER + 0.05)


async def test_two_runs_at_once_carry_out_each_refund_once(
    shop: Shop, our_gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, payment = await shop.paid()
    for _ in range(5):
        await shop.refund(payment["id"], 10)
    asked, send_refund = [], our_gateway.refund

    async def counted(key: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(key)
        return await send_refund(key, *args, **kwargs)

    monkeypatch.setattr(our_gateway, "refund", counted)
    await asyncio.gather(carry_out_refunds(shop.runtime), carry_out_refunds(shop.runtime))
    assert len(asked) == len(set(asked)) == 5


async def test_a_refund_that_the_gateway_rejects_fails_and_frees_its_amount(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    elsewhere = shop.gateway.client.post(
        f"/charges/{payment['gateway_charge_id']}/refunds",
        json={"amount": TOTAL},
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert elsewhere.status_code == 201
    await shop.refund(payment["id"], 100)
    await shop.carry_out_refunds()
    (refund,) = await shop.refunds(order_id)
    assert (refund["status"], refund["failure_reason"]) == ("failed", "refund-above-charge")
    assert (await shop.state(order_id)).refunded == 0
    assert (await shop.refund(payment["id"], TOTAL)).status_code == 202
    listed = await shop.staff.get("/refunds", params={"status": "failed"})
    assert [item["id"] for item in listed.json()["items"]] == [refund["id"]]


async def test_a_webhook_settles_a_refund(shop: Shop) -> None:
    order_id, payment = await shop.paid()
    async with shop.listening():
        await shop.refund(payment["id"])
        await shop.carry_out_refunds()
    assert len(await shop.served.events(payment_status.PaymentRefunded)) == 1
    assert (await shop.state(order_id)).payment_status == "refunded"
