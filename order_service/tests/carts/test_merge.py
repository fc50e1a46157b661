"""A guest's cart is merged into that of an account."""

import random
from asyncio import gather
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.events.users import UserErased
from order_service.tests.conftest import Shop
from tests.harness.service import Caller
from tests.harness.tokens import token


class Guest(Caller):
    def __init__(self, shop: Shop) -> None:
        self.token = token(role="Guest", user_id=(id := uuid4()), roles=["Guest"])
        super().__init__(id, shop.served.client(self.token))


@pytest.fixture
def guest(shop: Shop) -> Guest:
    return Guest(shop)


async def put(caller: Caller, quantities: dict[UUID, int]) -> None:
    for product, quantity in quantities.items():
        answer = await caller.put(f"/cart/items/{product}", json={"quantity": quantity})
        assert answer.status_code == 200, answer.text


async def cart(caller: Caller) -> dict[UUID, int]:
    items = (await caller.get("/cart")).json()["items"]
    return {UUID(item["product_id"]): item["quantity"] for item in items}


async def merge(caller: Caller, guest_token: str) -> httpx.Response:
    return await caller.post("/cart/merge", json={"guest_token": guest_token})


async def test_the_larger_quantity_counts_and_repeating_changes_nothing(shop: Shop, guest: Guest) -> None:
    a, b, c = [await shop.product() for _ in range(3)]
    await put(shop.customer, {a: 3, b: 1})
    await put(guest, {a: 2, b: 5, c: 4})
    merged = await merge(shop.customer, guest.token)
    assert {UUID(item["product_id"]): item["quantity"] for item in merged.json()["items"]} == {a: 3, b: 5, c: 4}
    assert await cart(guest) == {}
    again = await merge(shop.customer, guest.token)
    assert (again.status_code, again.json(), again.headers["ETag"]) == (200, merged.json(), merged.headers["ETag"])


async def test_an_order_from_an_outdated_cart_is_rejected_after_a_merge(shop: Shop, guest: Guest) -> None:
    product = await shop.product()
    await put(shop.customer, {product: 1})
    seen = (await shop.customer.get("/cart")).json()["version"]
    await put(guest, {product: 2})
    await merge(shop.customer, guest.token)
    answer = await shop.place(from_cart=True, cart_version=seen)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/cart-changed")


async def test_only_a_guests_own_valid_token_gives_its_cart(shop: Shop, guest: Guest) -> None:
    product, other = await shop.product(), shop.served.caller()
    for caller in (guest, other):
        await put(caller, {product: 1})
    registered = token(role="User", user_id=other.user_id, roles=["User"])
    both = token(role="User", user_id=other.user_id, roles=["User", "Guest"])
    expired = token(role="Guest", user_id=guest.user_id, roles=["Guest"], exp=1)
    for each in (registered, both, expired, f"{guest.token}x", "made up"):
        answer = await merge(shop.customer, each)
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/guest-token-not-good")
    assert await cart(shop.customer) == {}
    await shop.deliver(UserErased(user_id=guest.user_id, version=2))
    assert (await merge(shop.customer, guest.token)).status_code == 400


async def test_a_guest_who_merges_with_itself_keeps_its_cart(shop: Shop, guest: Guest) -> None:
    product = await shop.product()
    await put(guest, {product: 2})
    assert (await merge(guest, guest.token)).status_code == 200
    assert await cart(guest) == {product: 2}


async def test_a_merge_beyond_the_room_of_a_cart_changes_neither(
    shop: Shop, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order_service.carts.use_cases.MAX_LINES", 2)
    a, b, c = [await shop.product() for _ in range(3)]
    await put(shop.customer, {a: 1, b: 1})
    await put(guest, {b: 2, c: 2})
    answer = await merge(shop.customer, guest.token)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/cart-full")
    assert (await cart(shop.customer), await cart(guest)) == ({a: 1, b: 1}, {b: 2, c: 2})


async def test_merges_and_additions_at_the_same_time_lose_and_double_nothing(shop: Shop) -> None:
    """Two merges, while both carts are changed: what the guest adds is in one of the carts afterwards, once."""
    products = [await shop.product() for _ in range(4)]
    for _ in range(25):
        guest, customer = Guest(shop), shop.served.caller()
        await put(customer, {products[0]: 1, products[1]: 9})
        await put(guest, {products[0]: 7, products[1]: 2})
        calls = [
            merge(customer, guest.token),
            merge(customer, guest.token),
            guest.put(f"/cart/items/{products[2]}", json={"quantity": 3}),
            customer.put(f"/cart/items/{products[3]}", json={"quantity": 4}),
        ]
        random.shuffle(calls)
        answers = await gather(*calls)
        assert {answer.status_code for answer in answers} == {200}
        mine, guests = await cart(customer), await cart(guest)
        assert (mine[products[0]], mine[products[1]]) == (7, 9)
        assert mine[products[3]] == 4
        assert guests.keys() <= {products[2]}
        assert [each[products[2]] for each in (mine, guests) if products[2] in each] == [3]


async def test_two_accounts_that_merge_one_guest_at_once_do_not_both_get_its_cart(shop: Shop) -> None:
    product = await shop.product()
    for _ in range(25):
        guest, others = Guest(shop), [shop.served.caller() for _ in range(4)]
        await put(guest, {product: 2})
        answers = await gather(*(merge(each, guest.token) for each in others))
        assert {answer.status_code for answer in answers} == {200}
        assert sorted([len(await cart(each)) for each in others]) == [0, 0, 0, 1]
        assert await cart(guest) == {}
