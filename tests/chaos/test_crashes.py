"""A service is killed before and after each step of the processing of an event, and the books agree."""

import asyncio
from math import inf

import pytest

from local_stack.shop import Shop
from service_kit.failpoints import POINTS
from tests.chaos.crowd import ChaosWorld, Stream
from tests.chaos.faults import crashes
from tests.chaos.run import PLENTY, RATE, Run
from tests.chaos.schedule import schedule
from tests.system.books import agree
from tests.system.world import until

SEED = 3
NAMES = [fault.name for fault in crashes.FAULTS]
STEPS = {
    "order": ("gateway", "commit"),
    "inventory": ("publish", "mark"),
    "notification": ("mail", "inbox"),
    "product": ("offsets",),
}


def test_every_failpoint_has_a_fault_and_is_scheduled() -> None:
    assert {f"{step}.{moment}" for step in crashes.VICTIMS for moment in ("before", "after")} == POINTS
    assert sorted(step for steps in STEPS.values() for step in steps) == sorted(crashes.VICTIMS)


async def test_a_crash_at_each_failpoint(shop: Shop) -> None:
    """Four services at a time."""

    async def die(name: str) -> None:
        for step in STEPS[name]:
            await crashes.crash(shop, name, f"{step}.before")
            await crashes.crash(shop, name, f"{step}.after")

    async with ChaosWorld(shop) as world:
        stream, enough = Stream(world, RATE), asyncio.Event()
        await stream.prepare(stock=PLENTY)
        async with stream.served():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(stream.flow(enough))
                await asyncio.gather(*map(die, STEPS))
                enough.set()
            await until("all of it is up", lambda: asyncio.to_thread(shop.is_up))
            await stream.ended()
        assert stream.complaints == []
        await agree(world, stream.ledger)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
async def test_twenty_crashes_at_each_failpoint(shop: Shop, name: str) -> None:
    plan = schedule(SEED, inf, [name], times=20)
    async with ChaosWorld(shop) as world:
        outcome = await Run(world, SEED, plan, 0, mails_too=True, patient=True).play()
    assert [str(violation) for violation in outcome.violations[:20]] == [], f"{len(outcome.violations)} violations"
    assert len(outcome.struck) == 20
