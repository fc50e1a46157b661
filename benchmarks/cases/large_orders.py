"""How much reads of orders with 2,000 lines delay other requests: health checks at a constant rate."""

import asyncio
from functools import partial
from uuid import UUID, uuid4

from benchmarks.figures import Latencies, Result, Row, Spread, take_turns
from benchmarks.load.client import request, send
from benchmarks.load.plan import Load, Plan
from benchmarks.stage import Server, Stage, connected
from tests.harness import tokens

ORDERS, LINES = 25, 2_000
READS = {"page": 8, "one": 40}
"""The requests of a round: one page with all orders, and each order."""
HEALTH_RATE, HEALTH_SECONDS = 50.0, 1.0
MOST_MS = 50.0
FILL = """
WITH made AS (
    INSERT INTO orders (id, customer_id, status, fulfilment_status, currency, total, captured, refunded, pay_by,
                        ship_to, created_at, status_since, version)
    SELECT uuidv7(), $1, 'paid', 'unfulfilled', 'GBP', $3::int * 100, $3::int * 100, 0, now(),
           '{"name": "Ada King", "line1": "1 Street", "city": "London", "country": "GB"}', now(), now(), 5
    FROM generate_series(1, $2::int)
    RETURNING id
)
INSERT INTO order_lines (order_id, position, product_id, sku, name, quantity, unit_price)
SELECT id, position, gen_random_uuid(), 'SKU-' || position, 'A product with an ordinary name', 1, 100
FROM made, generate_series(1, $3::int) AS position
"""


async def measure(stage: Stage) -> Result:
    database, customer = await stage.database("order_service"), uuid4()
    async with connected(database) as connection:
        await connection.execute(FILL, customer, ORDERS, LINES)
        ids = [row[0] for row in await connection.fetch("SELECT id FROM orders")]
    async with stage.serving("order_service", database) as server:
        reads = {what: partial(_read, server, requests) for what, requests in _requests(customer, ids).items()}
        found = await take_turns(reads)
    result = Result()
    _add(result, "page", f"a page of {ORDERS} orders of {LINES:,} lines", found["page"])
    _add(result, "one", f"an order of {LINES:,} lines", found["one"])
    return result


def _requests(customer: UUID, ids: list[UUID]) -> dict[str, list[bytes]]:
    bearer = f"Bearer {tokens.token(role='User', user_id=customer)}"
    one = [request("GET", f"/orders/{ids[n % len(ids)]}", Authorization=bearer) for n in range(READS["one"])]
    page = [request("GET", f"/orders?limit={ORDERS}", Authorization=bearer)] * READS["page"]
    return {"page": page, "one": one}


async def _read(server: Server, requests: list[bytes]) -> tuple[Load, Load]:
    """Sends the reads one after the other, and health checks at the same time."""
    health_checks = [request("GET", "/health/live")] * int(HEALTH_RATE * HEALTH_SECONDS)
    return await asyncio.gather(
        send(Plan(server.port, requests, connections=1)),
        send(Plan(server.port, health_checks, connections=8, rate=HEALTH_RATE)),
    )


def _add(result: Result, what: str, name: str, rounds: list[tuple[Load, Load]]) -> None:
    took = Latencies([[1000 * each for each in reads.latencies] for reads, _ in rounds])
    longest = [1000 * max(health.latencies) for _, health in rounds]
    result.figures[f"large_orders_{what}_ms"] = took.figures()
    result.figures[f"large_orders_{what}_health_ms"] = round(Spread.of(longest).median, 1)
    wanted = Spread.of([MOST_MS])
    result.rows += [
        Row(f"{name}, p50", took.percentile(50), "ms"),
        Row(f"{name}: the longest that health waits meanwhile", Spread.of(longest), "ms", "wanted at most", wanted),
    ]
