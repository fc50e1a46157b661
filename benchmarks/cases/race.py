"""200 customers order the last 50 pieces of a product at the same time, through two services and Kafka."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from asyncpg import Connection, Record

from benchmarks.cases.reserve import fill_stock
from benchmarks.figures import Result, Row, Spread, take_turns
from benchmarks.goods import ADDRESS, fill_catalogue, goods
from benchmarks.load.client import request, send
from benchmarks.load.plan import Plan
from benchmarks.stage import Stage, connected
from tests.harness import tokens

BUYERS = 200
PIECES = 50
TIMEOUT_SECONDS = 30.0
DECIDED = """
SELECT status, count(*) FROM orders WHERE customer_id = ANY($1::uuid[]) AND status <> 'pending' GROUP BY status
"""


async def measure(stage: Stage) -> Result:
    orders, inventory = await stage.database("order_service"), await stage.database("inventory_service")
    await fill_catalogue(orders)
    await fill_stock(inventory, PIECES)
    flowing: dict[str, Any] = {"service_role": "all", "kafka_topic_prefix": stage.topics()}
    sold: list[int] = []
    async with (
        stage.serving("order_service", orders, **flowing) as server,
        stage.serving("inventory_service", inventory, **flowing),
        connected(orders) as connection,
    ):
        found = await take_turns({"race": partial(_race, server.port, connection, count(), sold)})
    decided = Spread.of(found["race"])
    worst = max(sold, key=lambda each: abs(each - PIECES))
    return Result(
        figures={"race_200_buyers": {"sold": worst, "decided_s": round(decided.median, 3)}},
        rows=[
            Row(
                f"{BUYERS} buyers at once for {PIECES} pieces: all decided; {worst} sold",
                decided,
                "s",
                "wanted at most",
                Spread.of([2.0]),
            )
        ],
    )


async def _race(port: int, orders: "Connection[Record]", numbers: "count[int]", sold: list[int]) -> float:
    """Seconds from the first request until every order is decided, for a new product."""
    good = goods()[next(numbers)]
    buyers = [uuid4() for _ in range(BUYERS)]
    watching = asyncio.create_task(_until_decided(orders, buyers))
    load = await send(Plan(port, [_order(buyer, good.id) for buyer in buyers], connections=BUYERS), expected=201)
    statuses, ended_at = await watching
    sold.append(statuses.get("awaiting_payment", 0))
    return ended_at - load.began_at


def _order(buyer: UUID, product_id: UUID) -> bytes:
    body = {"lines": [{"product_id": str(product_id), "quantity": 1}], "ship_to": ADDRESS}
    bearer = f"Bearer {tokens.token(role='User', user_id=buyer)}"
    return request("POST", "/orders", body, Authorization=bearer, Idempotency_Key=str(uuid4()))


async def _until_decided(orders: "Connection[Record]", buyers: Sequence[UUID]) -> tuple[dict[str, int], float]:
    """Waits until all orders are decided. Returns their number by status, and the time of the last decision."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            statuses = {row[0]: row[1] for row in await orders.fetch(DECIDED, buyers)}
            if sum(statuses.values()) == len(buyers):
                return statuses, time.time()
            await asyncio.sleep(0.005)
