"""Customers of a group pay its prices, and nobody else does."""

from typing import Any
from uuid import UUID, uuid4

from contracts.events.products import GroupPrice
from contracts.events.users import UserChanged
from order_service.tests.conftest import Shop, scheduled

TRADE = uuid4()


def of_group(amount: int, **fields: Any) -> GroupPrice:
    return GroupPrice(customer_group=TRADE, **scheduled(amount).model_dump() | fields)


async def join(shop: Shop, user_id: UUID, *groups: UUID, version: int = 1) -> None:
    await shop.deliver(
        UserChanged(
            user_id=user_id, version=version, email="ada@example.org", full_name="Ada King", roles=["User"],
            email_verified=True, active=True, groups=list(groups),
        )
    )  # fmt: skip


async def unit_prices(shop: Shop, product_id: UUID) -> list[int]:
    """What a customer pays for one piece: by the cart, a quote, and an order."""
    line = {"product_id": str(product_id), "quantity": 2}
    await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 2})
    cart = (await shop.customer.get("/cart")).json()
    quote = await shop.customer.post("/quotes", json={"lines": [line], "ship_to": {"country": "GB"}})
    order = await shop.place(product_id)
    assert order.status_code == 201, order.text
    found = [cart["quote"], quote.json(), order.json()["quote"]]
    return [each["lines"][0]["unit_price"] for each in found]


async def test_a_customer_of_the_group_has_its_price_everywhere(shop: Shop) -> None:
    product_id = await shop.product(1000, group_prices=[of_group(700)])
    assert await unit_prices(shop, product_id) == [1000] * 3
    await join(shop, shop.customer.user_id, uuid4())
    assert await unit_prices(shop, product_id) == [1000] * 3
    await join(shop, shop.customer.user_id, uuid4(), TRADE, version=2)
    assert await unit_prices(shop, product_id) == [700] * 3
    await join(shop, shop.customer.user_id, version=3)
    assert await unit_prices(shop, product_id) == [1000] * 3


async def test_a_product_may_have_prices_for_a_group_only(shop: Shop) -> None:
    product_id = await shop.product(prices=[scheduled(1000)], group_prices=[of_group(900, currency="EUR")])
    refused = await shop.place(product_id, currency="EUR")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/product-unavailable")
    await join(shop, shop.customer.user_id, TRADE)
    assert (await shop.place(product_id, currency="EUR")).json()["quote"]["lines"][0]["unit_price"] == 900


async def test_an_order_by_staff_has_the_prices_of_its_customer(shop: Shop) -> None:
    product_id = await shop.product(1000, group_prices=[of_group(700)])
    customer = uuid4()
    await join(shop, customer, TRADE)
    placed = await shop.place(product_id, by=shop.staff, customer_id=str(customer))
    assert placed.json()["quote"]["lines"][0]["unit_price"] == 700
