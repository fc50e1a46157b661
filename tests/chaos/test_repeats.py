"""Repeated events change nothing: out of order, the whole log again, and also with an empty inbox."""

from tests.chaos.repeats import again, all_heard, differences, from_the_start, state
from tests.system.books import agree
from tests.system.fickle import FickleCrowd
from tests.system.world import World

ORDERS = 42
TIMES = 5
SEED = 11


async def test_repeated_events_change_nothing(world: World) -> None:
    crowd = FickleCrowd(world, orders=ORDERS, customers=6, verified=True)
    await crowd.prepare()
    await crowd.shop()
    await agree(world, crowd.ledger)
    await all_heard(world.shop)
    before = await state(world.shop)
    assert all(before[table] for table in ("order.orders", "inventory.stock", "notification.notifications"))

    keys = crowd.ledger.orders | crowd.ledger.customers | crowd.products
    assert await again(world.shop, keys, TIMES - 1, SEED) > ORDERS * 10
    await all_heard(world.shop)
    assert differences(before, await state(world.shop)) == [], "five times, and shuffled across keys"

    await from_the_start(world.shop)
    await all_heard(world.shop)
    assert differences(before, await state(world.shop)) == [], "the whole log once more"

    await from_the_start(world.shop, forgetful=True)
    await all_heard(world.shop)
    await agree(world, crowd.ledger)
