"""Preferences: which kinds are sent by which channel."""

from contracts.events.order_notification import OrderPaid, OrderPlaced
from notification_service.tests.conftest import Shop, example, inbox

NO_PLACED = {"items": [{"kind": "order.placed", "channel": "email", "enabled": False}]}


async def test_every_kind_is_mailed_unless_it_is_disabled(shop: Shop) -> None:
    customer = await shop.customer()
    before = await customer.get("/preferences")
    assert len(before.json()["items"]) == 17
    assert all(item["enabled"] for item in before.json()["items"])

    kept = await customer.put("/preferences", json=NO_PLACED, headers={"If-Match": before.headers["ETag"]})
    assert kept.status_code == 200
    assert [item["kind"] for item in kept.json()["items"] if not item["enabled"]] == ["order.placed"]
    assert (await customer.get("/preferences")).json() == kept.json()

    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    await shop.deliver(example(OrderPaid, customer_id=customer.user_id))
    assert (await inbox(customer))["unread"] == 2
    assert [delivery["kind"] for delivery in await shop.deliveries()] == ["order.paid"]


async def test_a_kind_that_is_not_named_is_enabled_again(shop: Shop) -> None:
    customer = await shop.customer()
    await customer.put("/preferences", json=NO_PLACED)
    await customer.put("/preferences", json={"items": []})
    await shop.deliver(example(OrderPlaced, customer_id=customer.user_id))
    assert len(await shop.deliveries()) == 1


async def test_preferences_do_not_apply_to_other_customers(shop: Shop) -> None:
    customer, other = await shop.customer(), await shop.customer()
    await customer.put("/preferences", json=NO_PLACED)
    await shop.deliver(example(OrderPlaced, customer_id=other.user_id))
    assert len(await shop.deliveries()) == 1


async def test_preferences_apply_to_hidden_notifications(shop: Shop) -> None:
    stranger = shop.served.caller()
    await shop.deliver(example(OrderPlaced, customer_id=stranger.user_id))
    await stranger.put("/preferences", json=NO_PLACED)
    await shop.introduce(stranger.user_id)
    assert (await inbox(stranger))["unread"] == 1
    assert await shop.deliveries() == []


async def test_a_change_of_an_outdated_version_is_rejected(shop: Shop) -> None:
    customer = await shop.customer()
    read = (await customer.get("/preferences")).headers["ETag"]
    assert (await customer.put("/preferences", json=NO_PLACED, headers={"If-Match": read})).status_code == 200
    late = await customer.put("/preferences", json={"items": []}, headers={"If-Match": read})
    assert late.status_code == 412


async def test_unknown_and_repeated_kinds_are_rejected(shop: Shop) -> None:
    customer = await shop.customer()
    unknown = {"items": [{"kind": "order.shipped", "channel": "email", "enabled": False}]}
    twice = {"items": NO_PLACED["items"] * 2}
    for body in (unknown, twice, {}):
        assert (await customer.put("/preferences", json=body)).status_code == 422
