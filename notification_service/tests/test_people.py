"""What a person may take with them."""

from uuid import uuid4

from contracts.events.order_notification import OrderPlaced
from notification_service.tests.conftest import ADDRESS, Shop, example


async def test_the_export_has_all_of_ones_own_and_nothing_else(shop: Shop) -> None:
    customer, other = await shop.customer(), await shop.customer(email="other@example.com")
    for each in (customer, other):
        await shop.tell(example(OrderPlaced, user_id=each.user_id, order_id=uuid4()))
    off = {"kind": "order.paid", "channel": "email", "enabled": False}
    assert (await customer.client.put("/preferences", json={"items": [off]})).status_code == 200
    answer = await customer.get("/me/export")
    found = answer.json()
    assert found["recipient"][0]["email"] == ADDRESS
    assert found["preferences"][0]["email_off"] == ["order.paid"]
    assert [each["kind"] for each in found["notifications"]] == ["order.placed"]
    assert [each["address"] for each in found["deliveries"]] == [ADDRESS]
    assert str(other.user_id) not in answer.text
    assert "other@example.com" not in answer.text
