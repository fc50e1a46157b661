"""The outbox relay with a backlog, compared with a producer that sends the same records without an outbox."""

import asyncio
import time
from functools import partial

from benchmarks.figures import Result, Row, Spread, ratio, take_turns
from benchmarks.load.delivery import Child, Plan
from benchmarks.stage import Stage, connected

EVENTS = 30_000
BACKLOG = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
LAST = "SELECT max(id) FROM outbox"
LAST_IS_PUBLISHED = "SELECT published_at IS NOT NULL FROM outbox WHERE id = $1"


async def measure(stage: Stage) -> Result:
    database, prefix = await stage.database("order_service"), await asyncio.to_thread(stage.topics)
    plan = Plan("publish", database, stage.bootstrap_servers, prefix)
    worker = stage.serving("order_service", database, service_role="worker", kafka_topic_prefix=prefix)
    async with Child.running(plan) as child, worker:
        found = await take_turns({"relay": partial(_relayed, child, database), "bare producer": partial(_sent, child)})
    rates = Spread.of(found["relay"])
    row = Row(
        "outbox relay, 1 process", rates, "events/s",
        "bare producer", Spread.of(found["bare producer"]), ratio(found["relay"], found["bare producer"]),
    )  # fmt: skip
    return Result({"relay_events_per_s": round(rates.median)}, [row])


async def _relayed(child: Child, database: str) -> float:
    """Events per second, from the relay's wake-up until the last row of the backlog is marked."""
    async with connected(database) as connection:
        await child.ask(do="add", count=EVENTS)
        last = await connection.fetchval(LAST)
        began = time.perf_counter()
        await connection.execute("NOTIFY outbox")
        while not await connection.fetchval(LAST_IS_PUBLISHED, last):
            await asyncio.sleep(0.005)
        seconds = time.perf_counter() - began
        if left := await connection.fetchval(BACKLOG):
            raise AssertionError(f"{left} events were not published")
    return EVENTS / seconds


async def _sent(child: Child) -> float:
    seconds: float = await child.ask(do="send", count=EVENTS)
    return EVENTS / seconds
