"""The latency from a commit in one service to the commit of its effect in another, through outbox and Kafka."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.figures import Latencies, Result, Row, ratio, take_turns
from benchmarks.load.delivery import Child, Plan
from benchmarks.stage import Stage

RATE = 100
SECONDS = 3
"""The duration of each round."""


async def measure(stage: Stage) -> Result:
    async with AsyncExitStack() as stack:
        ours = partial(_latencies, *await _pair(stage, stack, "consume"), "commit_at_rate")
        bare = partial(_latencies, *await _pair(stage, stack, "fetch"), "send_at_rate")
        found = await take_turns({"ours": ours, "bare": bare})
    latencies, limit = Latencies(found["ours"]), Latencies(found["bare"])
    result = Result({"commit_to_consumed_ms": latencies.figures()})
    result.rows = [
        Row(
            f"commit to effect in the next service, {RATE}/s, p{percent}", latencies.percentile(percent), "ms",
            "Kafka alone, sent to fetched", limit.percentile(percent),
            ratio(latencies.by_round(percent), limit.by_round(percent)),
        )
        for percent in (50, 99)
    ]  # fmt: skip
    result.series["commit_to_consumed_ms"] = latencies.samples()
    return result


async def _pair(stage: Stage, stack: AsyncExitStack, role: str) -> tuple[Child, Child]:
    """Starts a producer and a consumer process on new topics."""
    prefix = await asyncio.to_thread(stage.topics)
    plans = [
        Plan("publish", await stage.database("order_service"), stage.bootstrap_servers, prefix),
        Plan(role, await stage.database("notification_service"), stage.bootstrap_servers, prefix),
    ]
    publisher, consumer = [await stack.enter_async_context(Child.running(plan)) for plan in plans]
    await asyncio.gather(publisher.ask(do="start"), consumer.ask(do="start"))
    return publisher, consumer


async def _latencies(publisher: Child, consumer: Child, how: str) -> list[float]:
    """The latency of each event in milliseconds, including the time that it waited behind others."""
    sent, received = await asyncio.gather(
        publisher.ask(do=how, rate=RATE, seconds=SECONDS),
        consumer.ask(do="receive", count=RATE * SECONDS),
    )
    return [1000 * (received[key] - at) for key, at in sent.items()]
