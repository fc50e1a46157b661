"""Carts over HTTP."""

from uuid import UUID, uuid4

from contracts.events.stock_levels import StockChanged
from order_service.tests.conftest import Shop, scheduled


async def test_a_cart_shows_todays_price_and_what_is_available(shop: Shop) -> None:
    product_id = await shop.product(prices=[scheduled(1000), scheduled(900, min_quantity=5)], sku="MUG-1")
    await shop.hear(StockChanged(product_id=product_id, version=1, on_hand=9, reserved=2, available=7, warehouses=[]))
    cart = await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 2})
    assert cart.status_code == 200, cart.text
    [item] = cart.json()["items"]
    assert (item["sku"], item["quantity"], item["available"], item["orderable"]) == ("MUG-1", 2, 7, True)
    assert item["total"] == cart.json()["total"] == {"amount": 2000, "currency": "GBP"}

    changed = await shop.customer.patch(f"/cart/items/{product_id}", json={"quantity": 5})
    assert changed.json()["total"] == {"amount": 4500, "currency": "GBP"}

    await shop.product(product_id=product_id, version=2, status="archived")
    [item] = (await shop.customer.get("/cart")).json()["items"]
    assert (item["orderable"], item["unit_price"]) == (False, None)


async def test_items_are_changed_and_removed(shop: Shop) -> None:
    first, second = await shop.product(), await shop.product()
    assert (await shop.customer.patch(f"/cart/items/{first}", json={"quantity": 1})).status_code == 404
    for product_id in (first, second):
        await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 1})
    assert (await shop.customer.delete(f"/cart/items/{first}")).status_code == 204
    assert (await shop.customer.delete(f"/cart/items/{first}")).status_code == 404
    assert [item["product_id"] for item in (await shop.customer.get("/cart")).json()["items"]] == [str(second)]
    assert (await shop.staff.get("/cart")).json() == {"items": [], "total": None}
    assert (await shop.customer.delete("/cart")).status_code == 204
    assert (await shop.customer.get("/cart")).json()["items"] == []


async def test_what_can_not_be_ordered_can_not_be_put_in(shop: Shop) -> None:
    for product_id, reason in ((uuid4(), "unknown"), (await shop.product(status="draft"), "draft")):
        answer = await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 1})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/product-unavailable")
        assert answer.json()["lines"][0]["reason"] == reason
    wrong = await shop.customer.put(f"/cart/items/{uuid4()}", json={"quantity": 0})
    assert wrong.status_code == 422


async def test_a_cart_is_ordered_and_empty_afterwards(shop: Shop) -> None:
    first, second = await shop.product(1000), await shop.product(1)
    await shop.customer.put(f"/cart/items/{first}", json={"quantity": 2})
    await shop.customer.put(f"/cart/items/{second}", json={"quantity": 5})
    answer = await shop.place(from_cart=True, key="the-key")
    assert answer.status_code == 201, answer.text
    assert [(line["product_id"], line["quantity"]) for line in answer.json()["lines"]] == [
        (str(first), 2), (str(second), 5),
    ]  # fmt: skip
    assert answer.json()["total"]["amount"] == 2005
    assert (await shop.customer.get("/cart")).json()["items"] == []
    assert (await shop.place(from_cart=True, key="the-key")).content == answer.content
    empty = await shop.place(from_cart=True)
    assert (empty.status_code, empty.json()["type"]) == (409, "/problems/cart-empty")
    assert await shop.status(UUID(answer.json()["id"])) == "pending"


async def test_a_cart_with_something_gone_is_not_ordered(shop: Shop) -> None:
    product_id = await shop.product()
    await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 1})
    await shop.product(product_id=product_id, version=2, status="archived")
    answer = await shop.place(from_cart=True)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/product-unavailable")
    assert len((await shop.customer.get("/cart")).json()["items"]) == 1
