"""Compares placing an order over HTTP with pgbench and the same statements, and with a naive endpoint."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import cycle, islice
from typing import NamedTuple
from uuid import uuid4

from benchmarks.accounts import LIMITS_ON, accounts, fill_accounts, settle
from benchmarks.figures import Measure, Result, Row, Spread, ratio, take_turns
from benchmarks.goods import Draw, fill_catalogue
from benchmarks.load.client import request, send
from benchmarks.load.plan import Load, Plan
from benchmarks.pgbench import Pgbench
from benchmarks.stage import Server, Stage

SECONDS = 2.0
CONNECTIONS = 8
"""The number of HTTP connections, of the service's database connections, and of pgbench's."""
CONCURRENCY = (1, 2, 4, 8, 16, 32)
FASTEST = 2000
FASTEST_NAIVE = 300
"""The highest expected orders per second. So many requests are prepared, and no more, since that is slow."""


async def measure(stage: Stage) -> Result:
    result = Result()
    await _show_ceiling(stage, result)
    for lines in (3, 27):
        await _measure(stage, lines, result)
    return result


async def quick_ratio(stage: Stage, rounds: int) -> dict[str, float]:
    """The ratio to pgbench, from few rounds."""
    async with _compared(stage, 3) as compared:
        del compared.measures["naive"]
        found = await take_turns(compared.measures, rounds)
    return {"place_order_vs_pgbench": ratio(found["ours"], found["pgbench"]).median}


async def _measure(stage: Stage, lines: int, result: Result) -> None:
    async with _compared(stage, lines) as compared:
        found = await take_turns(compared.measures)
        if lines == 3:
            await _add_series(compared.ours, compared.draw, result)
    _add_rows(found, lines, result)


class _Compared(NamedTuple):
    ours: Server
    draw: Draw
    measures: dict[str, Measure]


@asynccontextmanager
async def _compared(stage: Stage, lines: int) -> AsyncIterator[_Compared]:
    """Starts the services, each with its own database."""
    databases = [await stage.database("order_service") for _ in range(3)]
    await asyncio.gather(*map(fill_catalogue, databases))
    await asyncio.gather(*map(fill_accounts, databases[:2]))
    pgbench = Pgbench(databases[1], stage.order_settings(limits=True))
    await pgbench.prepare(lines)
    draw = Draw()
    async with (
        stage.serving("order_service", databases[0], asyncpg_pool_size=CONNECTIONS, **LIMITS_ON) as ours,
        naive(stage, "orders", databases[2]) as theirs,
    ):
        measures: dict[str, Measure] = {
            "ours": settled(databases[0], partial(_rate, ours, draw, lines)),
            "pgbench": settled(databases[1], partial(pgbench.rate, CONNECTIONS, SECONDS)),
            "naive": partial(_rate, theirs, draw, lines, FASTEST_NAIVE),
        }
        yield _Compared(ours, draw, measures)
    pgbench.close()


def _add_rows(found: dict[str, list[float]], lines: int, result: Result) -> None:
    what, ours = f"place an order of {lines} lines, 1 worker", Spread.of(found["ours"])
    references = {
        "pgbench": ("pgbench, same statements", "place_order_vs_pgbench"),
        "naive": ("sync SQLModel and psycopg2", "place_order_vs_naive"),
    }
    for name, (beside, key) in references.items():
        share = ratio(found["ours"], found[name])
        result.rows.append(Row(what, ours, "orders/s", beside, Spread.of(found[name]), share))
        if lines == 3:
            result.figures[key] = round(share.median, 2)


async def _add_series(server: Server, draw: Draw, result: Result) -> None:
    rates = []
    for connections in CONCURRENCY:
        load = await _load(server, draw, 3, connections)
        rates.append(load.per_second)
        if connections == CONNECTIONS:
            result.series["place_order_latency_ms"] = [1000 * seconds for seconds in load.latencies]
    result.series["place_order_by_connections"] = {"x": list(CONCURRENCY), "y": rates}


async def _show_ceiling(stage: Stage, result: Result) -> None:
    """Adds the rate of the load generator with the same requests and an endpoint that does nothing."""
    requests = orders(Draw(), 3, 30_000)
    async with stage.process(["-m", "benchmarks.load.empty"], {}) as server:

        async def rate() -> float:
            return (await send(Plan(server.port, requests, CONNECTIONS, seconds=1))).per_second

        found = await take_turns({"empty": rate})
    result.rows.append(
        Row("an endpoint that does nothing: the load generator's ceiling", Spread.of(found["empty"]), "/s")
    )


@asynccontextmanager
async def naive(stage: Stage, name: str, database: str) -> AsyncIterator[Server]:
    """A process of the naive implementation."""
    async with stage.process(["-m", "benchmarks.naive", name], {"DATABASE_URL": database}) as server:
        yield server


async def _rate(server: Server, draw: Draw, lines: int, fastest: int = FASTEST) -> float:
    return (await _load(server, draw, lines, CONNECTIONS, fastest)).per_second


async def _load(server: Server, draw: Draw, lines: int, connections: int, fastest: int = FASTEST) -> Load:
    requests = orders(draw, lines, fastest * int(SECONDS))
    return await send(Plan(server.port, requests, connections, seconds=SECONDS), expected=201)


def orders(draw: Draw, lines: int, count: int) -> list[bytes]:
    """Requests that place orders, by all accounts in rotation."""
    return [
        request("POST", "/orders", draw.order(lines), **account.headers, Idempotency_Key=str(uuid4()))
        for account in islice(cycle(accounts()), count)
    ]


def settled(database: str, measure: Measure) -> Measure:
    """A measure that first marks all orders as paid."""

    async def settle_and_measure() -> float:
        await settle(database)
        return await measure()

    return settle_and_measure
