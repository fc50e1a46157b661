"""From the commit in one service to the commit of the effect in the next, through outbox and Kafka."""

import asyncio

from benchmarks.figures import Result, Row, Spread
from benchmarks.load.delivery import Child, Plan
from benchmarks.stage import Stage

RATE = 100
SECONDS = 12
WARM_UP = 3


async def measure(stage: Stage) -> Result:
    prefix = await asyncio.to_thread(stage.topics)
    speaking = Plan("speak", await stage.database("order_service"), stage.bootstrap_servers, prefix)
    listening = Plan("listen", await stage.database("notification_service"), stage.bootstrap_servers, prefix)
    async with Child.running(speaking) as speaker, Child.running(listening) as listener:
        await asyncio.gather(speaker.ask(do="start"), listener.ask(do="start"))
        await _latencies(speaker, listener, WARM_UP)
        found = sorted(await _latencies(speaker, listener, SECONDS))
    p50, p99 = (found[len(found) * percent // 100] for percent in (50, 99))
    result = Result({"commit_to_consumed_ms": {"p50": round(p50, 1), "p99": round(p99, 1)}})
    result.rows = [
        Row(f"commit to effect in the next service, {RATE}/s, p{percent}", Spread(value, found[0], found[-1]), "ms")
        for percent, value in ((50, p50), (99, p99))
    ]
    result.series["commit_to_consumed_ms"] = [round(each, 2) for each in found]
    return result


async def _latencies(speaker: Child, listener: Child, seconds: float) -> list[float]:
    """Milliseconds, each event's; those that wait behind others count as they waited."""
    committed, consumed = await asyncio.gather(
        speaker.ask(do="talk", rate=RATE, seconds=seconds), listener.ask(do="hear", count=RATE * seconds)
    )
    return [1000 * (consumed[key] - at) for key, at in committed.items()]
