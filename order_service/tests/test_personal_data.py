"""The export of a customer's personal data, and its erasure."""

import json
from uuid import uuid4

import pytest

from contracts.events.users import UserErased
from order_service.personal_data import PERSONAL_DATA
from order_service.tests.conftest import Shop
from service_kit.personal_data.consumers import erase_again

ERASED = {
    "name": "erased", "line1": "erased", "city": "erased", "country": "GB",
    **dict.fromkeys(("company", "line2", "region", "postal_code", "phone")),
}  # fmt: skip


async def test_the_export_has_all_data_of_the_customer_and_of_no_other(shop: Shop) -> None:
    order_id = await shop.accepted()
    mug = await shop.product()
    assert (await shop.customer.put(f"/cart/items/{mug}", json={"quantity": 1})).status_code == 200
    other = await shop.placed(by=shop.served.caller())
    answer = await shop.customer.get("/me/export")
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.json()
    [order] = found["orders"]
    assert (order["id"], order["ship_to"]["name"]) == (str(order_id), "Ada King")
    assert [entry["to_status"] for entry in order["history"]] == ["pending", "awaiting_payment"]
    assert [item["product_id"] for item in found["cart"]] == [str(mug)]
    assert str(other) not in answer.text


async def test_an_export_of_several_pages_is_complete(shop: Shop) -> None:
    ids = [str(await shop.placed()) for _ in range(41)]
    found = (await shop.customer.get("/me/export")).json()
    assert [order["id"] for order in found["orders"]] == sorted(ids)


async def test_the_orders_of_an_erased_customer_stay_without_personal_data(shop: Shop) -> None:
    unpaid, paid, cancelled = await shop.accepted(), await shop.paid(), await shop.placed()
    by_staff = await shop.placed(by=shop.staff, customer_id=str(await _known(shop)))
    why = {"reason": "Ada King has moved"}
    assert (await shop.customer.post(f"/orders/{cancelled}/cancel", json=why)).status_code == 200
    await shop.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    assert await shop.status(unpaid) == "cancelled"
    assert await shop.status(paid) == "paid"
    for order_id in (unpaid, paid, cancelled, by_staff):
        assert (await shop.order(order_id))["ship_to"] == ERASED
    for table in ("orders", "order_history", "idempotency_keys", "account_status", "cart_items"):
        async with shop.runtime.database.connection() as connection:
            rows = await connection.fetch(f"SELECT t::text FROM {table} AS t")
        assert not [row for row in rows if "Ada" in row[0] or b"Ada King".hex() in row[0]], table


async def _known(shop: Shop) -> object:
    """Stores the customer's account status, so that staff can order for them."""
    known = await shop.known_customer()
    await shop.execute("UPDATE account_status SET user_id = $2 WHERE user_id = $1", known, shop.customer.user_id)
    return shop.customer.user_id


async def test_an_order_placed_after_the_account_closed_is_cancelled(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is placed in another process, which has not received the erasure yet."""
    await shop.deliver(UserErased(user_id=shop.customer.user_id, version=9))
    with monkeypatch.context() as other_process:
        other_process.setattr(shop.runtime.revocations, "check", lambda _: None)
        late = await shop.placed()
    await erase_again(shop.runtime, PERSONAL_DATA)
    assert await shop.status(late) == "cancelled"
    assert (await shop.order(late))["ship_to"] == ERASED
    entries = await shop.history(late)
    assert json.dumps(entries).count("the account was erased") == 1
    await erase_again(shop.runtime, PERSONAL_DATA)
    assert await shop.history(late) == entries


async def test_the_orders_of_other_customers_stay_unchanged(shop: Shop) -> None:
    order_id = await shop.placed()
    await shop.deliver(UserErased(user_id=uuid4(), version=9))
    assert await shop.status(order_id) == "pending"
    assert (await shop.order(order_id))["ship_to"]["name"] == "Ada King"
