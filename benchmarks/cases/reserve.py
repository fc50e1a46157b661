"""The throughput of reserving stock: by one consumer of the inventory service, and by two for the same products."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from uuid import UUID, uuid4

from benchmarks.figures import Result, Row, Spread, ratio, take_turns
from benchmarks.goods import goods
from benchmarks.load.reserving import Consumer, Plan
from benchmarks.stage import Stage, connected

LINES = 13_500
"""The number of lines in each round."""
BUYERS = 200
STOCK = 10**9
ADD_STOCK = """
WITH place AS (
    INSERT INTO warehouses (id, code, name, version, created_at) VALUES ($1, 'MAIN', 'Main', 1, now()) RETURNING id
)
INSERT INTO stock (product_id, warehouse_id, on_hand, reserved, version, to_publish)
SELECT product_id, place.id, $3, 0, 1, false FROM place, unnest($2::uuid[]) AS product_id
"""
OVERSOLD = """
SELECT count(*) FROM stock
WHERE reserved <> (SELECT coalesce(sum(quantity), 0) FROM reservation_lines AS line
                   WHERE (line.product_id, line.warehouse_id) = (stock.product_id, stock.warehouse_id))
"""


async def measure(stage: Stage) -> Result:
    result = Result()
    await _alone(stage, result)
    await _contended(stage, result)
    return result


async def fill_stock(inventory_database: str, quantity: int = STOCK) -> None:
    """Inserts stock of every product into one warehouse."""
    async with connected(inventory_database) as connection:
        await connection.execute(ADD_STOCK, uuid4(), [good.id for good in goods()], quantity)
        await connection.execute("ANALYZE")


async def _alone(stage: Stage, result: Result) -> None:
    """Measures one process with batches of 500, and products drawn as often as they were sold in the data set."""
    database = await stage.database("inventory_service")
    await fill_stock(database)
    measures = {}
    async with AsyncExitStack() as stack:
        for lines in (3, 27):
            plan = Plan(database, LINES // lines, lines, batch=500, seed=lines)
            consumer = await stack.enter_async_context(Consumer.running(plan))
            measures[f"{lines} lines"] = partial(_rate, [consumer], LINES // lines * lines)
        found = await take_turns(measures)
    result.figures["reserve_lines_per_s"] = round(Spread.of(found["3 lines"]).median)
    for name, rates in found.items():
        result.rows.append(Row(f"reserve orders of {name}, 1 process", Spread.of(rates), "lines/s"))
    await _check_books(database)


async def _contended(stage: Stage, result: Result) -> None:
    """Measures two processes with orders of one line: for different products, for the same 20, and for the same one."""
    database = await stage.database("inventory_service")
    await fill_stock(database)
    ids = [good.id for good in goods()]
    half = len(ids) // 2
    cases: Mapping[str, Sequence[Sequence[UUID]]] = {
        "products of their own": [ids[:half], ids[half:]],
        "20 products": [ids[:20], ids[:20]],
        "1 product": [ids[:1], ids[:1]],
    }
    async with AsyncExitStack() as stack:
        measures = {}
        for name, parts in cases.items():
            plans = [Plan(database, 5 * BUYERS, 1, BUYERS // 2, n, part) for n, part in enumerate(parts)]
            consumers = [await stack.enter_async_context(Consumer.running(plan)) for plan in plans]
            measures[name] = partial(_rate, consumers, 10 * BUYERS)
        found = await take_turns(measures)
    alone = found.pop("products of their own")
    for name, rates in found.items():
        result.rows.append(
            Row(
                f"{BUYERS} buyers at a time on {name}, 2 processes", Spread.of(rates), "lines/s",
                "each process its own products", Spread.of(alone), ratio(rates, alone),
            )
        )  # fmt: skip
    await _check_books(database)


async def _rate(consumers: Sequence[Consumer], lines: int) -> float:
    """Lines per second of all processes together, until the last one has finished."""
    await asyncio.gather(*(consumer.ready() for consumer in consumers))
    return lines / max(await asyncio.gather(*(consumer.handle() for consumer in consumers)))


async def _check_books(database: str) -> None:
    async with connected(database) as connection:
        wrong = await connection.fetchval(OVERSOLD)
    if wrong:
        raise AssertionError(f"{wrong} stock rows have not reserved what orders hold")
