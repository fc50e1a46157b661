"""The latency until the stock of an order is reserved or rejected, at 100 orders per second, through two services."""

from benchmarks.figures import ROUNDS, Latencies, Result
from benchmarks.goods import Draw
from benchmarks.load.client import send
from benchmarks.load.plan import Plan
from benchmarks.market import Market, market
from benchmarks.stage import Stage

RATE = 100.0
SECONDS = 4.0
CONNECTIONS = 32


async def measure(stage: Stage) -> Result:
    async with market(stage) as place:
        found = Latencies([await _latencies(place, Draw(seed)) for seed in range(ROUNDS + 1)][1:])
    rows = found.rows("placed to stock decided, 100/s", {50: 15, 99: 75})
    result = Result(figures={"order_to_decided_ms": found.figures()}, rows=rows)
    result.series["order_to_decided_ms"] = found.samples()
    return result


async def _latencies(place: Market, draw: Draw) -> list[float]:
    """Milliseconds from the scheduled time of the request to the response with the decision on the stock."""
    bodies = [draw.order(3) for _ in range(int(RATE * SECONDS))]
    requests = place.orders(bodies, Prefer="wait=10")
    load = await send(Plan(place.port("order"), requests, CONNECTIONS, rate=RATE), expected=201)
    return [1000 * latency for latency in load.latencies]
