"""The export of personal data, and its erasure."""

from uuid import uuid4

from contracts.events.order_notification import OrderPlaced
from notification_service.tests.conftest import ADDRESS, Shop, example


async def test_the_export_has_all_data_of_the_customer_and_of_no_other(shop: Shop) -> None:
    customer, other = await shop.customer(), await shop.customer(email="other@example.com")
    for each in (customer, other):
        await shop.deliver(example(OrderPlaced, customer_id=each.user_id, order_id=uuid4()))
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


async def test_shipping_addresses_are_exported_and_erased(shop: Shop) -> None:
    customer = await shop.customer()
    placed = example(OrderPlaced, customer_id=customer.user_id)
    await shop.deliver(placed)
    (notification,) = (await customer.get("/me/export")).json()["notifications"]
    assert notification["facts"]["ship_to"]["line1"] == placed.ship_to.line1
    assert placed.ship_to.phone not in str(notification), "the phone number is for the carrier"
    await shop.erase(customer.user_id)
    for table in ("notifications", "deliveries", "recipients"):
        rows = await shop.sql(f"SELECT t::text FROM {table} AS t")
        assert not [row for row in rows if placed.ship_to.line1 in row[0]]
