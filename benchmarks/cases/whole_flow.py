"""The throughput of orders through all five services: placed, reserved, paid, shipped and notified."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil

from benchmarks.figures import ROUNDS, Result, Row, Spread, ratio
from benchmarks.goods import Draw
from benchmarks.load.client import LoadFailed, send
from benchmarks.load.plan import Plan
from benchmarks.market import Market, market
from benchmarks.stage import Stage
from local_stack.environment import ROOT
from service_kit.ids import uuid7

ORDERS = 800
CONNECTIONS = 32
KINDS = ("order-placed", "order-awaiting-payment", "order-paid", "shipment-dispatched")
TIMEOUT_SECONDS = 60.0
# Counts only notifications of this round, since the query runs ten times a second.
NOTIFIED = "SELECT count(*) FROM notifications WHERE id > $1 AND order_id IS NOT NULL AND told_at IS NOT NULL"
OPEN = """
SELECT EXISTS (
    SELECT FROM orders LEFT JOIN payment_tokens ON order_id = orders.id
    WHERE status IN ('paid', 'partially_shipped') OR order_id IS NOT NULL
)
"""


async def measure(stage: Stage) -> Result:
    result = Result()
    async with market(stage) as place:
        for lines in (3, 27):
            await _measure(place, lines, result)
    return result


async def _measure(place: Market, lines: int, result: Result) -> None:
    rates: list[float] = []
    used: list[float] = []
    for number in range(ROUNDS + 1):
        before = cpu_seconds(place)
        found = await flow(place, Draw(seed=number), lines)
        if number:
            rates.append(found)
            used.append(1000 * (sum(cpu_seconds(place).values()) - sum(before.values())) / ORDERS)
    rate, cpu = Spread.of(rates), Spread.of(used)
    if lines == 3:
        result.figures["whole_flow_orders_per_s"] = round(rate.median, 1)
    # The rate if these processes alone used all cores and never waited.
    limit = [1000 * (psutil.cpu_count() or 1) / each for each in used]
    result.rows.append(
        Row(
            f"whole flow, {lines} lines, all on this machine", rate, "orders/s",
            "all cores' whole time", Spread.of(limit), ratio(rates, limit),
        )
    )  # fmt: skip
    result.rows.append(Row(f"its CPU time over all processes, {lines} lines", cpu, "ms/order"))


async def flow(place: Market, draw: Draw, lines: int, orders: int = ORDERS) -> float:
    """Orders per second, from the first request until the last customer was notified of the dispatch."""
    requests = place.orders([{**draw.order(lines), "payment_token": "tok_ok"} for _ in range(orders)])
    async with _warehouse(place) as working:
        await _until("earlier orders are shipped", working, lambda: _shipped(place))
        began = uuid7()

        async def notified() -> bool:
            return bool(await place.value("notification", NOTIFIED, began) >= orders * len(KINDS))

        started = time.perf_counter()
        await send(Plan(place.port("order"), requests, CONNECTIONS), expected=201)
        await _until("every customer is notified", working, notified)
        await _until("every order is shipped", working, lambda: _shipped(place))
        return orders / (time.perf_counter() - started)


async def _shipped(place: Market) -> bool:
    return not await place.value("order", OPEN)


async def _until(what: str, working: asyncio.subprocess.Process, holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not await holds():
        if working.returncode is not None:
            raise LoadFailed("the warehouse failed: see above")
        if time.monotonic() > deadline:
            raise LoadFailed(f"{what}: not within {TIMEOUT_SECONDS:.0f} s")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def _warehouse(place: Market) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.load.warehouse", str(place.port("inventory")),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(place.staff.encode())
    process.stdin.close()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def cpu_seconds(place: Market) -> dict[str, float]:
    """The seconds of CPU time that each process of the shop has used so far, by part."""
    found = {}
    for name, state in place.shop.states().items():
        process = psutil.Process(state.pid)
        family = [process, *process.children(recursive=True)]
        times = [each.cpu_times() for each in family]
        found[name] = sum(each.user + each.system for each in times)
        if name == "postgres":
            found[name] += process.cpu_times().children_user + process.cpu_times().children_system
    return found
