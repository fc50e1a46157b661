"""The throughput of our consumer with a batch handler."""

import asyncio
from functools import partial

from benchmarks.figures import Result, Row, Spread, take_turns
from benchmarks.load.delivery import Child, Plan
from benchmarks.stage import Stage, connected

EVENTS = 30_000
EFFECTS = "SELECT count(*), (SELECT count(*) FROM inbox) FROM notifications"


async def measure(stage: Stage) -> Result:
    plan = await _plan(stage, "consume")
    publisher = Plan("publish", plan.database_url, plan.kafka, plan.prefix)
    async with Child.running(plan) as ours, Child.running(publisher) as to_ours:
        await ours.ask(do="start")
        found = await take_turns({"ours": partial(_rate, to_ours, ours, EVENTS)})
    await _check(plan, (len(found["ours"]) + 1) * EVENTS)  # including the warm-up round
    rates = Spread.of(found["ours"])
    row = Row("consumer with a row for each event, 1 process", rates, "events/s")
    return Result({"consumer_events_per_s": round(rates.median)}, [row])


async def _plan(stage: Stage, role: str) -> Plan:
    database = await stage.database("notification_service")
    return Plan(role, database, stage.bootstrap_servers, await asyncio.to_thread(stage.topics))


async def _rate(publisher: Child, consumer: Child, count: int) -> float:
    """Publishes all events before the consumer starts to handle them."""
    await publisher.ask(do="send", count=count)
    seconds: float = await consumer.ask(do="handle", count=count)
    return count / seconds


async def _check(plan: Plan, count: int) -> None:
    async with connected(plan.database_url) as connection:
        found = await connection.fetchrow(EFFECTS)
    if found is None or tuple(found) != (count, count):
        raise AssertionError(f"{count} events had other effects and inbox rows: {found}")
