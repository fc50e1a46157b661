"""Events to their effects: our consumer with a batch handler, beside one transaction for each message."""

import asyncio
from functools import partial

from benchmarks.figures import Result, Row, Spread, ratio, take_turns
from benchmarks.load.delivery import Child, Plan
from benchmarks.stage import Stage, connected

EVENTS = 30_000
NAIVE_EVENTS = 600
EFFECTS = "SELECT count(*), (SELECT count(*) FROM inbox) FROM notifications"


async def measure(stage: Stage) -> Result:
    plans = [await _plan(stage, "listen"), await _plan(stage, "listen naively")]
    speakers = [Plan("speak", plan.database_url, plan.kafka, plan.prefix) for plan in plans]
    async with (
        Child.running(plans[0]) as ours,
        Child.running(plans[1]) as naive,
        Child.running(speakers[0]) as to_ours,
        Child.running(speakers[1]) as to_naive,
    ):
        await asyncio.gather(ours.ask(do="start"), naive.ask(do="start"))
        found = await take_turns(
            {"ours": partial(_rate, to_ours, ours, EVENTS), "naive": partial(_rate, to_naive, naive, NAIVE_EVENTS)}
        )
    for plan, measured, count in zip(plans, found.values(), (EVENTS, NAIVE_EVENTS), strict=True):
        await _check(plan, (len(measured) + 1) * count)  # with the round that isn't counted
    rates = Spread.of(found["ours"])
    row = Row(
        "consumer with a row for each event, 1 process", rates, "events/s",
        "a transaction for each message", Spread.of(found["naive"]), ratio(found["ours"], found["naive"]),
    )  # fmt: skip
    return Result({"consumer_events_per_s": round(rates.median)}, [row])


async def _plan(stage: Stage, role: str) -> Plan:
    database = await stage.database("notification_service")
    return Plan(role, database, stage.bootstrap_servers, await asyncio.to_thread(stage.topics))


async def _rate(speaker: Child, listener: Child, count: int) -> float:
    """Nothing is handled until all of them are in Kafka."""
    await speaker.ask(do="send", count=count)
    seconds: float = await listener.ask(do="handle", count=count)
    return count / seconds


async def _check(plan: Plan, count: int) -> None:
    async with connected(plan.database_url) as connection:
        found = await connection.fetchrow(EFFECTS)
    if found is None or tuple(found) != (count, count):
        raise AssertionError(f"{count} events had other effects and inbox rows: {found}")
