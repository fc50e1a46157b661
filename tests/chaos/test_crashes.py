"""A service is killed before and after each step of the processing of an event, and the books agree."""

import asyncio
from math import inf

import pytest

from local_stack.shop import Shop
from service_kit.failpoints import POINTS
from tests.chaos.customers import ChaosWorld, CustomerStream
from tests.chaos.faults import crashes
from tests.chaos.run import PLENTY, RATE, Run
from tests.chaos.schedule import schedule
from tests.system.books import agree
from tests.system.world import until

SEED = 3
NAMES = [fault.name for fault in crashes.FAULTS]
NOT_REACHED = {"media.before", "media.after"}
"""Customers upload no images: the product service has tests of its own for them."""
STEPS = {
    "order": ("gateway", "commit"),
    "inventory": ("publish", "mark"),
    "notification": ("mail", "inbox"),
    "product": ("offsets",),
}


def test_every_failpoint_has_a_fault_and_is_scheduled() -> None:
    reached = {f"{step}.{moment}" for step in crashes.TARGETS for moment in ("before", "after")}
    assert reached == POINTS - NOT_REACHED
    assert sorted(step for steps in STEPS.values() for step in steps) == sorted(crashes.TARGETS)


async def test_a_crash_at_each_failpoint(shop: Shop) -> None:
    """Four services crash at the same time, each at one failpoint after the other."""

    async def crash_at_all_steps(name: str) -> None:
        for step in STEPS[name]:
            await crashes.crash(shop, name, f"{step}.before")
            await crashes.crash(shop, name, f"{step}.after")

    async with ChaosWorld(shop) as world:
        stream, enough = CustomerStream(world, RATE), asyncio.Event()
        await stream.prepare(stock=PLENTY)
        async with stream.fulfilling():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(stream.place_orders(enough))
                await asyncio.gather(*map(crash_at_all_steps, STEPS))
                enough.set()
            await until("the whole shop is up", lambda: asyncio.to_thread(shop.is_up))
            await stream.wait_for_ends()
        assert stream.failures == []
        await agree(world, stream.ledger)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
async def test_twenty_crashes_at_each_failpoint(shop: Shop, name: str) -> None:
    plan = schedule(SEED, inf, [name], times=20)
    async with ChaosWorld(shop) as world:
        outcome = await Run(world, SEED, plan, 0, wait_for_mails=True, one_at_a_time=True).execute()
    assert [str(violation) for violation in outcome.violations[:20]] == [], f"{len(outcome.violations)} violations"
    assert len(outcome.injected) == 20
