"""Returns through the API and events: requested, decided, received and refunded."""

import asyncio
import json
from uuid import uuid4

import pytest

from contracts.events import inventory_deduction, order_notification
from contracts.events.users import UserErased
from order_service.fulfilment import jobs
from order_service.personal_data import PERSONAL_DATA
from order_service.tests.payments.conftest import charge_event
from order_service.tests.returns.conftest import Counter, received
from service_kit.personal_data.consumers import erase_again


async def test_the_price_of_returned_pieces_is_refunded(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    asked = await counter.ask(bought, (bought.mug, 3))
    assert asked.status_code == 201, asked.text
    made = asked.json()
    assert (await shop.customer.get(asked.headers["Location"])).json() == made
    assert (made["status"], made["reason"], made["refund"]) == ("requested", "too small for Ada", None)
    assert [(line["quantity"], line["unit_price"]["amount"]) for line in made["lines"]] == [(2, 200), (1, 200)]
    assert (await shop.staff.post(f"/returns/{made['id']}/approve")).status_code == 200
    await counter.receive(bought, made["id"], (bought.mug, 1, 1))

    found = await counter.read(made["id"])
    assert (found["status"], found["refund"]) == ("received", {"amount": 400, "currency": "GBP"})
    assert [line["received"] for line in found["lines"]] == [2, 0]
    await shop.carry_out_refunds()
    assert (await counter.read(made["id"]))["status"] == "refunded"
    [refund] = await shop.refunds(bought.order_id)
    assert (refund["amount"]["amount"], refund["return_id"], refund["requested_by"]) == (400, made["id"], None)
    assert sum(each["amount"] for each in shop.gateway.refunds(bought.order_id)) == 400
    order = await shop.state(bought.order_id)
    assert (order.status, order.payment_status) == ("delivered", "partially_refunded")


async def test_each_step_is_published_and_recorded(counter: Counter) -> None:
    bought = await counter.bought()
    return_id = await counter.approved(bought, (bought.mug, 3), (bought.tray, 1))
    await counter.receive(bought, return_id, (bought.mug, 3, 0), (bought.tray, 0, 1))
    entries = await counter.history(bought)
    assert [(entry["trigger"], entry["actor"], entry["to_status"]) for entry in entries] == [
        ("return.requested", "customer", "delivered"),
        ("return.approved", "staff", "delivered"),
        ("last return.received", "inventory", "returned"),
    ]
    assert {entry["details"]["return_id"] for entry in entries} == {return_id}
    emitted = [event for event in await counter.shop.served.events() if ".return" in event.type]
    assert [event.type for event in emitted] == [
        "mart.return.requested.v1",
        "mart.return.approved.v1",
        "mart.return.expected.v1",
        "mart.order.returned.v1",
    ]
    assert [event.version for event in emitted] == sorted(event.version for event in emitted)
    [expected] = await counter.shop.served.events(inventory_deduction.ReturnExpected)
    assert {line.product_id: line.quantity for line in expected.lines} == {bought.mug: 3, bought.tray: 1}
    assert str(expected.return_id) == return_id
    order = await counter.shop.state(bought.order_id)
    assert (order.status, order.refunding) == ("returned", 1000)


async def test_a_return_is_refunded_although_the_order_was_completed_meanwhile(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    first = await counter.approved(bought, (bought.mug, 3))
    second = (await counter.ask(bought, (bought.tray, 1))).json()["id"]
    await shop.execute("UPDATE orders SET delivered_at = now() - interval '31 days'")
    late = await counter.ask(bought, (bought.tray, 1))
    assert (late.status_code, late.json()["type"]) == (409, "/problems/return-window-over")
    await jobs.complete(shop.runtime)
    assert (await counter.ask(bought, (bought.tray, 1))).json()["type"] == "/problems/order-transition-refused"

    await counter.receive(bought, first, (bought.mug, 3, 0))
    assert (await shop.state(bought.order_id)).status == "completed"
    assert (await shop.staff.post(f"/returns/{second}/approve")).status_code == 200
    await counter.receive(bought, second, (bought.tray, 1, 0))
    assert (await shop.state(bought.order_id)).status == "returned"
    await shop.carry_out_refunds()
    assert (await shop.state(bought.order_id)).payment_status == "refunded"
    assert len(await shop.served.events(order_notification.OrderReturned)) == 1


@pytest.mark.parametrize("status", ["awaiting_payment", "paid", "cancelled", "completed", "returned"])
async def test_only_delivered_pieces_can_be_returned(counter: Counter, status: str) -> None:
    bought = await counter.bought()
    await counter.shop.set_status(bought.order_id, status)
    rejected = await counter.ask(bought, (bought.mug, 1))
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/order-transition-refused")


async def test_no_piece_is_returned_twice(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    answers = await asyncio.gather(*(counter.ask(bought, (bought.mug, 2)) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    [rejected] = {answer.text for answer in answers if answer.status_code == 409}
    short = [{"product_id": str(bought.mug), "requested": 2, "returnable": 1}]
    assert (json.loads(rejected)["type"], json.loads(rejected)["lines"]) == ("/problems/more-than-returnable", short)
    assert (await counter.ask(bought, (uuid4(), 1))).status_code == 409
    assert (await counter.ask(bought, (bought.mug, 1), (bought.tray, 1))).status_code == 201
    listed = await shop.customer.get(f"/orders/{bought.order_id}/returns")
    assert [len(each["lines"]) for each in listed.json()["items"]] == [2, 1], "the newest first"


async def test_requests_with_one_key_make_one_return(counter: Counter) -> None:
    bought = await counter.bought()
    answers = await asyncio.gather(*(counter.ask(bought, (bought.mug, 1), key="a") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (await counter.ask(bought, (bought.mug, 2), key="a")).status_code == 422
    without = await counter.shop.customer.post(
        f"/orders/{bought.order_id}/returns", json={"lines": [], "reason": "no key"}
    )
    assert without.status_code in (400, 422)


async def test_only_staff_see_their_note_on_a_rejection(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    made = (await counter.ask(bought, (bought.mug, 1))).json()["id"]
    words = {"reason": "worn", "note": "third time this year"}
    rejected = await shop.staff.post(f"/returns/{made}/reject", json=words)
    assert rejected.status_code == 200, rejected.text
    path = f"/orders/{bought.order_id}/history"
    for by, note in ((shop.customer, None), (shop.staff, words["note"])):
        (entry,) = [each for each in (await by.get(path)).json()["items"] if each["trigger"] == "return.refused"]
        assert (entry["reason"], entry["note"], entry["details"]) == ("worn", note, {"return_id": made})
    published = "".join(event.model_dump_json() for event in await shop.served.events())
    assert words["note"] not in published + (await shop.customer.get("/me/export")).text + str(await counter.read(made))


async def test_pieces_of_a_rejected_or_withdrawn_return_can_be_returned_again(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    first = (await counter.ask(bought, (bought.mug, 3))).json()["id"]
    assert (await shop.staff.post(f"/returns/{first}/reject", json={})).status_code == 422
    rejected = await shop.staff.post(f"/returns/{first}/reject", json={"reason": "worn"})
    assert (rejected.status_code, rejected.json()["rejection_reason"]) == (200, "worn")
    [published] = await shop.served.events(order_notification.ReturnRefused)
    assert published.reason == "worn"
    second = (await counter.ask(bought, (bought.mug, 3))).json()["id"]
    assert (await shop.customer.post(f"/returns/{second}/withdraw")).json()["status"] == "withdrawn"
    third = await counter.approved(bought, (bought.mug, 3))
    for return_id, step in ((first, "approve"), (second, "approve"), (third, "approve"), (third, "reject")):
        late = await shop.staff.post(f"/returns/{return_id}/{step}", json={"reason": "late"})
        assert (late.status_code, late.json()["type"]) == (409, "/problems/return-decided")
    assert (await shop.customer.post(f"/returns/{third}/withdraw")).status_code == 409


async def test_only_the_customer_and_staff_see_and_request_a_return(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    return_id = (await counter.ask(bought, (bought.mug, 1))).json()["id"]
    stranger = shop.served.caller()
    assert (await counter.ask(bought, (bought.mug, 1), by=stranger)).status_code == 404
    of_staff = await counter.ask(bought, (bought.mug, 1), by=shop.staff)
    assert (of_staff.status_code, of_staff.json()["customer_id"]) == (201, str(shop.customer.user_id)), (
        "for the customer"
    )
    assert (await shop.customer.post(f"/returns/{of_staff.json()['id']}/withdraw")).status_code == 200
    assert (await counter.history(bought))[1]["actor"] == "staff"
    assert (await stranger.get(f"/returns/{return_id}")).status_code == 404
    assert (await stranger.get(f"/orders/{bought.order_id}/returns")).status_code == 404
    assert (await stranger.post(f"/returns/{return_id}/withdraw")).status_code == 404
    assert (await shop.customer.post(f"/returns/{return_id}/approve")).status_code == 403
    assert (await shop.customer.get("/returns")).status_code == 403
    found = await shop.staff.get("/returns", params={"status": "requested", "customer_id": str(shop.customer.user_id)})
    assert [each["id"] for each in found.json()["items"]] == [return_id]
    assert (await shop.staff.get("/returns", params={"status": "approved"})).json()["items"] == []


async def test_a_return_received_twice_is_refunded_once(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    return_id = await counter.approved(bought, (bought.tray, 1))
    await asyncio.gather(*(counter.receive(bought, return_id, (bought.tray, 1, 0)) for _ in range(5)))
    await counter.receive(bought, return_id, (bought.tray, 1, 0))
    assert [refund["amount"]["amount"] for refund in await shop.refunds(bought.order_id)] == [400]
    assert len(await counter.history(bought)) == 3


async def test_a_return_that_was_not_approved_is_not_refunded(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    requested = (await counter.ask(bought, (bought.tray, 1))).json()["id"]
    await counter.receive(bought, requested, (bought.tray, 1, 0))
    await counter.receive(bought, str(uuid4()), (bought.tray, 1, 0))
    assert await shop.refunds(bought.order_id) == []
    assert (await counter.read(requested))["status"] == "requested"


async def test_an_amount_already_refunded_is_not_refunded_again(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    first = await counter.approved(bought, (bought.mug, 3))
    second = await counter.approved(bought, (bought.tray, 1))
    assert (await shop.refund(bought.payment_id, 700)).status_code == 202
    await counter.receive(bought, first, (bought.mug, 3, 0))
    assert (await counter.read(first))["refund"]["amount"] == 300, "600 came back, and that much was left"
    await counter.receive(bought, second, (bought.tray, 1, 0))
    found = await counter.read(second)
    assert (found["status"], found["refund"]["amount"]) == ("refunded", 0)
    assert (await shop.refund(bought.payment_id, 1)).status_code == 409
    await shop.carry_out_refunds()
    assert sum(each["amount"] for each in shop.gateway.refunds(bought.order_id)) == 1000
    order = await shop.state(bought.order_id)
    assert (order.status, order.refunded, order.refunding) == ("returned", 1000, 0)
    reasons = [entry["reason"] for entry in await counter.history(bought) if "received" in entry["trigger"]]
    assert reasons == ["300 of 600 go back", "0 of 400 go back"]


async def test_two_returns_in_one_batch_are_both_refunded(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    first, second = await counter.approved(bought, (bought.mug, 3)), await counter.approved(bought, (bought.tray, 1))
    await shop.served.deliver(
        received(bought, first, (bought.mug, 3, 0)), received(bought, second, (bought.tray, 0, 1))
    )
    assert [refund["amount"]["amount"] for refund in await shop.refunds(bought.order_id)] == [400, 600]
    assert (await shop.state(bought.order_id)).status == "returned"


async def test_a_second_payment_of_an_order_does_not_raise_the_refund_of_its_return(counter: Counter) -> None:
    """The second payment is refunded automatically, and the returned pieces once."""
    shop, bought = counter.shop, await counter.bought()
    again = {**(await shop.payments(bought.order_id))[0], "id": str(uuid4()), "gateway_charge_id": "ch_again"}
    await shop.webhook(charge_event(again, "succeeded"))
    return_id = await counter.approved(bought, (bought.mug, 3), (bought.tray, 1))
    await counter.receive(bought, return_id, (bought.mug, 3, 0), (bought.tray, 1, 0))
    order = await shop.state(bought.order_id)
    assert (order.captured, order.refunding) == (2000, 2000)


async def test_a_return_whose_refund_failed_stays_received(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    [payment] = await shop.payments(bought.order_id)
    elsewhere = shop.gateway.client.post(
        f"/charges/{payment['gateway_charge_id']}/refunds",
        json={"amount": 1000},
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert elsewhere.status_code == 201
    return_id = await counter.approved(bought, (bought.tray, 1))
    await counter.receive(bought, return_id, (bought.tray, 1, 0))
    await shop.carry_out_refunds()
    assert (await counter.read(return_id))["status"] == "received"
    assert [refund["status"] for refund in await shop.refunds(bought.order_id)] == ["failed"]


async def test_the_reasons_are_erased_with_the_account(counter: Counter) -> None:
    shop, bought = counter.shop, await counter.bought()
    rejected = (await counter.ask(bought, (bought.mug, 1))).json()["id"]
    await shop.staff.post(f"/returns/{rejected}/reject", json={"reason": "Ada has worn it"})
    asked = (await counter.ask(bought, (bought.tray, 1))).json()["id"]
    export = (await shop.customer.get("/me/export")).json()
    [order] = export["orders"]
    assert [each["reason"] for each in order["returns"]] == ["too small for Ada", "too small for Ada"]
    await shop.served.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    await erase_again(shop.runtime, PERSONAL_DATA)
    for table in ("returns", "order_history", "idempotency_keys"):
        async with shop.runtime.database.connection() as connection:
            rows = await connection.fetch(f"SELECT row_to_json(t)::text FROM {table} AS t")
        assert rows or table == "idempotency_keys"
        needle = b" Ada".hex()
        assert not [row for row in rows if "for Ada" in row[0] or "Ada has" in row[0] or needle in row[0]], table
    assert (await shop.staff.post(f"/returns/{asked}/approve")).status_code == 200
