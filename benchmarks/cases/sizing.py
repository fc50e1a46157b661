"""What an order costs each part: CPU time and room on disk; and the memory of each part after them."""

import psutil

from benchmarks.cases.whole_flow import ORDERS, cpu_seconds, flow
from benchmarks.figures import ROUNDS, Result, Row, Spread
from benchmarks.goods import Draw
from benchmarks.market import Market, market
from benchmarks.stage import Stage
from local_stack.parts import SERVICES

KIB, MIB = 2**10, 2**20


async def measure(stage: Stage) -> Result:
    result = Result()
    async with market(stage) as place:
        for lines in (3, 27):
            await flow(place, Draw(seed=1), lines)  # fills caches and connections
            await _measure(place, lines, result)
        for name in place.shop.states():
            result.rows.append(Row(f"memory after the orders, {name}", Spread.of([_memory(place, name)]), "MiB"))
    return result


async def _measure(place: Market, lines: int, result: Result) -> None:
    cpu: dict[str, list[float]] = {}
    bytes_before = await _stored(place)
    for number in range(ROUNDS):
        before = cpu_seconds(place)
        await flow(place, Draw(seed=2 + number), lines)
        for name, seconds in cpu_seconds(place).items():
            cpu.setdefault(name, []).append(1000 * (seconds - before[name]) / ORDERS)
    for name, used in cpu.items():
        result.rows.append(Row(f"CPU time for an order of {lines} lines, {name}", Spread.of(used), "ms"))
    for name, stored in (await _stored(place)).items():
        grown = (stored - bytes_before[name]) / (ROUNDS * ORDERS) / KIB
        result.rows.append(Row(f"stored for an order of {lines} lines, {name}", Spread.of([grown]), "KiB"))


async def _stored(place: Market) -> dict[str, int]:
    """Bytes of each database, with its indexes, and of the records on all topics; one replica."""
    sizes = {
        f"database of {service.name}": await place.value(service.name, "SELECT pg_database_size(current_database())")
        for service in SERVICES
    }
    segments = (place.shop.layout.local / "kafka").rglob("*.log")
    return {**sizes, "topics": sum(segment.stat().st_size for segment in segments if segment.is_file())}


def _memory(place: Market, name: str) -> float:
    """Resident, in MiB; for PostgreSQL of all its processes, each shared page once."""
    process = psutil.Process(place.shop.pid(name))
    if name != "postgres":
        return process.memory_info().rss / MIB
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family) / MIB
