"""Notes and stuck reasons are for staff: customers see them in no response, event or export."""

from typing import Any

from contracts.events import inventory_deduction as answers
from contracts.events import order_notification as steps
from contracts.events.users import UserErased
from order_service.tests.conftest import Shop
from tests.harness.service import Caller

NOTE = "known for chargebacks"
BODY = {"reason": "sold out", "note": NOTE}


async def cancelled_entry(shop: Shop, order_id: Any, by: Caller) -> dict[str, Any]:
    found = (await by.get(f"/orders/{order_id}/history")).json()["items"]
    (entry,) = [each for each in found if each["trigger"] == "cancel"]
    return dict(entry)


async def test_customers_read_the_reason_and_only_staff_read_the_note(shop: Shop) -> None:
    for order_id, status in ((await shop.accepted(), 200), (await shop.paid(), 202)):
        answer = await shop.staff.post(f"/orders/{order_id}/cancel", json=BODY)
        assert answer.status_code == status, answer.text
        seen = await cancelled_entry(shop, order_id, shop.customer)
        assert (seen["reason"], seen["note"], seen["details"]) == ("sold out", None, None)
        seen = await cancelled_entry(shop, order_id, shop.staff)
        assert (seen["reason"], seen["note"], seen["details"]) == ("sold out", NOTE, None)
        await shop.deliver(answers.ReservationReleased(order_id=order_id, version=2))
    assert NOTE not in "".join(event.model_dump_json() for event in await shop.served.events())
    assert "sold out" in {event.reason for event in await shop.served.events(steps.OrderCancelled)}
    assert NOTE not in (await shop.customer.get("/me/export")).text


async def test_a_customer_cannot_write_a_note(shop: Shop) -> None:
    order_id = await shop.accepted()
    rejected = await shop.customer.post(f"/orders/{order_id}/cancel", json=BODY)
    assert (rejected.status_code, rejected.json()["type"]) == (403, "/problems/forbidden")
    assert await shop.status(order_id) == "awaiting_payment"


async def test_notes_are_deleted_when_the_account_is_erased(shop: Shop) -> None:
    order_id = await shop.accepted()
    await shop.staff.post(f"/orders/{order_id}/cancel", json={"note": NOTE})
    await shop.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    assert (await cancelled_entry(shop, order_id, shop.staff))["note"] is None
    assert await shop.execute("SELECT count(*) FROM order_history WHERE details::text LIKE $1", f"%{NOTE}%") == 0


async def test_only_staff_see_the_stuck_reason(shop: Shop) -> None:
    order_id = await shop.placed()
    why = "inventory has not answered the reservation"
    await shop.execute("UPDATE orders SET stuck_reason = $2 WHERE id = $1", order_id, why)
    for by, expected in ((shop.customer, None), (shop.staff, why)):
        assert (await by.get(f"/orders/{order_id}")).json()["stuck_reason"] == expected
        assert [each["stuck_reason"] for each in (await by.get("/orders")).json()["items"]] == [expected]


async def test_only_staff_list_stuck_orders(shop: Shop) -> None:
    answer = await shop.customer.get("/orders", params={"stuck": True})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")
    assert (await shop.staff.get("/orders", params={"stuck": True})).json()["items"] == []
