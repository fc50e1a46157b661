"""One customer's cart in several tabs."""

import random
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.races.racing import books_agree, race, settled, without_deadlocks
from tests.system.world import ADDRESS, Person, World

TIMES = [10, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(900)])]


async def order_cart(person: Person) -> httpx.Response:
    headers = {"Idempotency-Key": str(uuid4())}
    return await person.ask("order", "POST", "/orders", json={"from_cart": True, "ship_to": ADDRESS}, headers=headers)


@pytest.mark.parametrize("times", TIMES)
async def test_concurrent_requests_place_at_most_one_order_from_a_cart(world: World, times: int) -> None:
    """Two tabs order at the same time while another changes the quantity: the contents of the cart at one moment are
    ordered once, or not at all."""
    person, product = await world.customer(verified=True), await world.product(stock=100_000)
    async with without_deadlocks(world):
        for _ in range(times):
            await person.call("order", "PUT", f"/cart/items/{product}", json={"quantity": 1})
            change = person.ask("order", "PATCH", f"/cart/items/{product}", json={"quantity": 2})
            *answers, _ = await race(order_cart(person), order_cart(person), change, spread=random.choice([0, 0.01]))
            placed = [answer.json() for answer in answers if answer.status_code == 201]
            rejected = [answer.json()["type"] for answer in answers if answer.status_code != 201]
            assert set(rejected) <= {"/problems/cart-empty", "/problems/cart-changed"}
            left: list[dict[str, Any]] = (await person.call("order", "GET", "/cart"))["items"]
            assert len(placed) + len(left) == 1
            for order in placed:
                await person.call("order", "POST", f"/orders/{order['id']}/cancel", json={})
            await settled(world, *(order["id"] for order in placed))
            await person.call("order", "DELETE", "/cart")
    await books_agree(world)


@pytest.mark.parametrize("times", TIMES)
async def test_a_cart_that_is_filled_while_it_is_ordered_loses_nothing(world: World, times: int) -> None:
    person = await world.customer(verified=True)
    products = [await world.product(stock=1000) for _ in range(5)]
    for _ in range(times):
        put_in = Counter({product: random.randint(1, 3) for product in products})
        fill = [
            person.ask("order", "PUT", f"/cart/items/{product}", json={"quantity": quantity})
            for product, quantity in put_in.items()
        ]
        answers = await race(*fill, order_cart(person), order_cart(person))
        orders = [answer.json() for answer in answers[len(fill) :] if answer.status_code == 201]
        found: Counter[str] = Counter()
        cart = await person.call("order", "GET", "/cart")
        for line in [*cart["items"], *(line for order in orders for line in order["lines"])]:
            found[line["product_id"]] += line["quantity"]
        assert found == put_in
        for order in orders:
            await person.call("order", "POST", f"/orders/{order['id']}/cancel", json={})
        await settled(world, *(order["id"] for order in orders))
        await person.call("order", "DELETE", "/cart")
    await books_agree(world)
