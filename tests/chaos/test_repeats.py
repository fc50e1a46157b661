"""Repeated events change nothing: out of order, the whole log again, and also with an empty inbox."""

from tests.chaos.repeats import all_handled, differences, publish_again, read_from_the_start, state
from tests.system.books import agree
from tests.system.irregular import IrregularCustomers
from tests.system.world import World

ORDERS = 42
TIMES = 5
SEED = 11


async def test_repeated_events_change_nothing(world: World) -> None:
    customers = IrregularCustomers(world, orders=ORDERS, customers=6, verified=True)
    await customers.prepare()
    await customers.buy()
    await agree(world, customers.ledger)
    await all_handled(world.shop)
    before = await state(world.shop)
    assert all(before[table] for table in ("order.orders", "inventory.stock", "notification.notifications"))

    keys = customers.ledger.orders | customers.ledger.customers | customers.products
    assert await publish_again(world.shop, keys, TIMES - 1, SEED) > ORDERS * 10
    await all_handled(world.shop)
    assert differences(before, await state(world.shop)) == [], "each event five times, shuffled across keys"

    await read_from_the_start(world.shop)
    await all_handled(world.shop)
    assert differences(before, await state(world.shop)) == [], "the whole log again"

    await read_from_the_start(world.shop, empty_inbox=True)
    await all_handled(world.shop)
    await agree(world, customers.ledger)
