"""Concurrent orders of the same products."""

import asyncio
import random
import time

import asyncpg
import pytest

from tests.races.racing import books_agree, without_deadlocks
from tests.system.world import Person, World, until

LONG = pytest.mark.long
UNDECIDED = "SELECT count(*) FROM orders WHERE status = 'pending'"


@pytest.mark.parametrize(
    ("buyers", "units", "times"), [(100, 10, 1), pytest.param(500, 50, 20, marks=[LONG, pytest.mark.timeout(900)])]
)
async def test_concurrent_orders_sell_exactly_the_available_stock(
    world: World, buyers: int, units: int, times: int
) -> None:
    people = [await world.customer() for _ in range(10)]
    for _ in range(times):
        product = await world.product(stock=units)
        await asyncio.gather(*(people[n % 10].order((product, 1)) for n in range(buyers)))
        await all_decided(world)
        found = await world.staff.call("inventory", "GET", "/stock", params={"product_id": product})
        [level] = found["items"]
        assert (level["on_hand"], level["reserved"], level["available"]) == (units, units, 0)
        assert await reserved(world, product) == units
    await books_agree(world)


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=[LONG, pytest.mark.timeout(300)])])
async def test_orders_with_lines_in_any_sequence_never_deadlock(world: World, seconds: int) -> None:
    """200 concurrent orders, each of ten of the same twenty products, in a sequence of its own."""
    place = await world.warehouse()
    products = [await world.product(stock=10_000, warehouse_id=place) for _ in range(20)]
    people = [await world.customer() for _ in range(10)]
    end = time.monotonic() + seconds
    placed = 0

    async def buy(person: Person, chance: random.Random) -> None:
        nonlocal placed
        while time.monotonic() < end:
            basket = [(product, chance.randint(1, 3)) for product in chance.sample(products, 10)]
            order = await person.order(*basket)
            placed += 1
            if chance.random() < 0.3:
                await person.call("order", "POST", f"/orders/{order['id']}/cancel", json={}, done_if="refused")

    async with without_deadlocks(world):
        await asyncio.gather(*(buy(people[n % 10], random.Random(n)) for n in range(200)))
        await all_decided(world)
    assert placed > 200
    await books_agree(world)


async def all_decided(world: World) -> None:
    database = await asyncpg.connect(world.shop.database_url("order"))

    async def holds() -> bool:
        return not await database.fetchval(UNDECIDED)

    try:
        await until("every order is accepted or rejected", holds)
    finally:
        await database.close()


async def reserved(world: World, product: str) -> int:
    """The number of orders that reserved the product."""
    database = await asyncpg.connect(world.shop.database_url("order"))
    try:
        found = await database.fetchval(
            "SELECT count(*) FROM orders JOIN order_lines ON order_id = orders.id "
            "WHERE product_id = $1::uuid AND status = 'awaiting_payment'",
            product,
        )
        return int(found)
    finally:
        await database.close()
