"""API clients order for customers only, and have no cart."""

from uuid import uuid4

import pytest

from contracts.events.users import ApiClientChanged
from order_service.tests.conftest import SHIP_TO, Shop
from tests.harness import tokens
from tests.harness.service import Caller


@pytest.fixture
def program(shop: Shop) -> Caller:
    id = uuid4()
    return Caller(id, shop.served.client(tokens.token(role="Admin", user_id=id, client_id=str(id))))


async def test_an_api_client_names_the_customer(shop: Shop, program: Caller) -> None:
    product_id, customer_id = await shop.product(), await shop.known_customer()
    for nobody in ({}, {"customer_id": str(program.user_id)}):
        rejected = await shop.place(product_id, by=program, **nobody)
        assert (rejected.status_code, rejected.json()["type"]) == (422, "/problems/customer-required")
    from_cart = {"from_cart": True, "ship_to": SHIP_TO}
    rejected = await program.post("/orders", json=from_cart, headers={"Idempotency-Key": str(uuid4())})
    assert rejected.status_code == 422
    assert await shop.execute("SELECT 1 FROM orders") is None
    placed = await shop.place(product_id, by=program, customer_id=str(customer_id))
    assert (placed.status_code, placed.json()["customer_id"]) == (201, str(customer_id))


async def test_an_api_client_has_no_cart(shop: Shop, program: Caller) -> None:
    product_id = await shop.product()
    item = f"/cart/items/{product_id}"
    for call in (
        program.get("/cart"), program.delete("/cart"), program.put(item, json={"quantity": 1}),
        program.patch(item, json={"quantity": 1}), program.delete(item),
    ):  # fmt: skip
        rejected = await call
        assert (rejected.status_code, rejected.json()["type"]) == (404, "/problems/person-required")
    assert await shop.execute("SELECT 1 FROM cart_items") is None


async def test_an_api_client_is_not_a_customer(shop: Shop, program: Caller) -> None:
    """Though it has an account status like one."""
    event = ApiClientChanged(user_id=program.user_id, version=1, active=True, permissions=["orders:write"])
    await shop.deliver(event)
    rejected = await shop.place(await shop.product(), by=shop.staff, customer_id=str(program.user_id))
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/customer-unknown")
