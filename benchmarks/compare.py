"""`python -m benchmarks compare DIRECTORY [case …]`: compares the hot paths of two checkouts.
`python -m benchmarks tracing [share]`: compares placing an order without spans, and with so many of them recorded.

Each checkout (with a `.venv`) runs its own code, on a database with its own migrations. PostgreSQL, requests and load
generator are the same for both. The CPU time of the service and of PostgreSQL per request is measured as well, because
other work on the machine affects it less than the rate.
"""

import asyncio
import json
import os
import secrets
import statistics
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.accounts import LIMITS_ON, fill_accounts, settle
from benchmarks.cases import place_order, product_read
from benchmarks.figures import take_turns
from benchmarks.floor import cpu_of
from benchmarks.goods import Draw
from benchmarks.load.client import send
from benchmarks.load.plan import Plan
from benchmarks.rules import configure
from benchmarks.stage import Server, Stage, connected, python_of
from local_stack import ports
from local_stack.environment import ROOT
from local_stack.otlp import otlp_server
from tests.harness import tokens

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "20"))
SECONDS = 2.0
CONNECTIONS = 8


class Cost(NamedTuple):
    """The cost of one request: elapsed milliseconds (the inverse of the rate), and CPU milliseconds."""

    elapsed: float
    service: float
    postgres: float


class Case(NamedTuple):
    """`goods`: the function of `benchmarks.goods` that fills the database, in the version of the checkout."""

    service: str
    goods: str
    fill: Callable[[str], Awaitable[None]]
    settings: dict[str, Any]
    requests: Callable[[], list[bytes]]
    between: Callable[[str], Awaitable[None]]
    status: int


class Side(NamedTuple):
    """One of the two that are compared: `before` and `after`."""

    checkout: Path
    settings: dict[str, Any]


async def _fill_taxed(database: str) -> None:
    await fill_accounts(database)
    await configure(database)


async def _nothing(_: str) -> None:
    pass


def _cases() -> dict[str, Case]:
    draw, products = Draw(), product_read.requests(8000)
    orders = partial(place_order.orders, draw, 3, place_order.FASTEST * int(SECONDS))
    return {
        "place_order": Case("order_service", "fill_catalogue", fill_accounts, LIMITS_ON, orders, settle, 201),
        "place_taxed_order": Case("order_service", "fill_catalogue", _fill_taxed, LIMITS_ON, orders, settle, 201),
        "product_read": Case("product_service", "fill_products", _nothing, {}, lambda: products, _nothing, 200),
    }


async def compare(console: Console, arguments: Sequence[str]) -> int:
    """Compares the cases, and returns the exit status."""
    if not arguments or not (Path(arguments[0]) / ".venv/bin/python").exists():
        sys.exit("Name a directory with another checkout of this repository, in which `make setup` was run.")
    before, *names = arguments
    await _compare(console, names, Side(Path(before).absolute(), {}), Side(ROOT, {}))
    return 0


async def compare_tracing(console: Console, arguments: Sequence[str]) -> int:
    """Compares placing an order without spans and with them, and returns the exit status."""
    [port] = ports.lease()
    with otlp_server(port, lambda _: None) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        share = arguments[0] if arguments else "0.1"
        settings = {"otel_exporter_otlp_endpoint": f"http://127.0.0.1:{port}", "otel_traces_sampler_arg": share}
        await _compare(console, ["place_order"], Side(ROOT, {}), Side(ROOT, settings))
        receiver.shutdown()
    return 0


async def _compare(console: Console, names: Sequence[str], before: Side, after: Side) -> None:
    cases = _cases()
    async with Stage() as stage:
        for name in names or cases:
            console.print(f"[bold]{name}")
            costs = await _compared(stage, cases[name], {"before": before, "after": after})
            console.print(_table(costs["before"], costs["after"]))


async def _compared(stage: Stage, case: Case, sides: Mapping[str, Side]) -> dict[str, list[Cost]]:
    async with AsyncExitStack() as stack:
        measures = {}
        for name, side in sides.items():
            serving = await stack.enter_async_context(_serving(stage, case, side))
            measures[name] = partial(_cost, stage, case, *serving)
        return await take_turns(measures, ROUNDS)


@asynccontextmanager
async def _serving(stage: Stage, case: Case, side: Side) -> AsyncIterator[tuple[str, Server]]:
    database = await _database(stage, case, side.checkout)
    settings = {"asyncpg_pool_size": CONNECTIONS, **case.settings, **side.settings}
    async with stage.serving(case.service, database, checkout=side.checkout, **settings) as server:
        yield database, server


async def _database(stage: Stage, case: Case, checkout: Path) -> str:
    """A new database with the migrations of the checkout, filled with goods."""
    name = f"compare_{case.service}_{secrets.token_hex(4)}"
    async with connected(stage.superuser_url) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    url = stage.url(name)
    await _run(stage, url, checkout, "-m", "service_kit", "migrate", case.service)
    async with connected(url) as connection:
        keys = json.dumps(tokens.key_set())
        await connection.execute("INSERT INTO verification_keys VALUES (1, $1, now())", keys)
    fill = f"import asyncio, sys; from benchmarks import goods; asyncio.run(goods.{case.goods}(sys.argv[1]))"
    await _run(stage, url, checkout, "-c", fill, url)
    await case.fill(url)
    return url


async def _run(stage: Stage, database: str, checkout: Path, *arguments: str) -> None:
    command = [python_of(checkout), *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=checkout, env=stage.environment(database, checkout))
    if await process.wait():
        sys.exit(f"{checkout}: its database could not be made; see above.")


async def _cost(stage: Stage, case: Case, database: str, server: Server) -> Cost:
    await case.between(database)
    requests = case.requests()
    postgres, service = stage.shop.pid("postgres"), psutil.Process(server.pid)
    before = _seconds(service), cpu_of(postgres)
    load = await send(Plan(server.port, requests, CONNECTIONS, seconds=SECONDS), expected=case.status)
    used = _seconds(service) - before[0], cpu_of(postgres) - before[1]
    count = len(load.latencies)
    return Cost(1000 / load.per_second, *(1000 * seconds / count for seconds in used))


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _table(before: Sequence[Cost], after: Sequence[Cost]) -> Table:
    table = Table("of one request, ms", "before", "after", "after / before", "95 %", box=None)
    rows = zip(
        ("elapsed", "CPU of the service", "CPU of PostgreSQL"),
        zip(*before, strict=True),
        zip(*after, strict=True),
        strict=True,
    )
    for what, ours, theirs in rows:
        ratio, low, high = interval([new / old for old, new in zip(ours, theirs, strict=True)])
        medians = (f"{statistics.median(values):.3f}" for values in (ours, theirs))
        table.add_row(what, *medians, f"{ratio:.3f}", f"{low:.3f}–{high:.3f}")
    return table


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean of paired ratios, and its 95 % confidence interval (Student's t)."""
    logs = [log(each) for each in ratios]
    mean, freedom = statistics.mean(logs), len(logs) - 1
    normal = statistics.NormalDist().inv_cdf(0.975)
    # Fisher's approximation, with an error below 0.01 from five rounds on.
    student = (
        normal
        + (normal**3 + normal) / (4 * freedom)
        + (5 * normal**5 + 16 * normal**3 + 3 * normal) / (96 * freedom**2)
    )
    margin = student * statistics.stdev(logs) / len(logs) ** 0.5
    return exp(mean), exp(mean - margin), exp(mean + margin)
