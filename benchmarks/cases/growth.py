"""Compares the time of steps of an order in a database with a million orders with that in an empty one."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from benchmarks.cases.reserve import fill_stock
from benchmarks.figures import ROUNDS, Result, Row, Spread, ratio
from benchmarks.goods import Draw, fill_catalogue
from benchmarks.growing import grow
from benchmarks.load import reserving
from benchmarks.stage import Stage, connected
from contracts.permissions import permissions_of
from inventory_service.reservations import use_cases as reservations
from order_service.orders import placing
from order_service.orders.schemas import OrderIn
from order_service.rules.holder import RulesHolder
from order_service.search import queries
from order_service.search.models import Wanted
from service_kit.database import Database
from service_kit.database.keyset import Position, encode_cursor
from service_kit.idempotency import Key
from service_kit.messaging.producer import Producer
from service_kit.messaging.relay import Relay
from service_kit.messaging.tuning import Tuning
from service_kit.security import Principal

RECORDED = Path(__file__).parents[1] / "growth.json"
ORDERS = 1_000_000
FEWER_ORDERS = 100_000
TIMES = 50
"""The number of times that each step runs in a round."""
PAGE = 20
BATCH = 20
RELAYED = 3_000
PENDING = """
INSERT INTO outbox (event_id, topic, key, type, subject, source, time, value)
SELECT uuidv7(), 'order_notification', uuidv7()::text::bytea, 'mart.order.placed.v1', '', '/order_service', now(),
       repeat('x', 300)::bytea
FROM generate_series(1, $1)
"""
IS_PENDING = "SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)"

Step = Callable[[], Awaitable[Any]]


class Place:
    """The databases of the order and the inventory service of one shop."""

    def __init__(self, orders: str, inventory: str) -> None:
        self.order_url = orders
        self.inventory_url = inventory
        self.orders = Database(orders, name="benchmark")
        self.inventory = Database(inventory, name="benchmark")

    @classmethod
    async def opened(cls, stage: Stage) -> "Place":
        place = cls(await stage.database("order_service"), await stage.database("inventory_service"))
        await fill_catalogue(place.order_url)
        await fill_stock(place.inventory_url)
        return place

    async def close(self) -> None:
        await self.orders.close()
        await self.inventory.close()


async def measure(stage: Stage) -> Result:
    new, old = await Place.opened(stage), await Place.opened(stage)
    orders = FEWER_ORDERS if stage.runs_all else ORDERS
    try:
        await grow(old.order_url, old.inventory_url, orders)
        result, worst = await _compared(stage, new, old, f"{orders:.0e}".replace("e+0", "0^"))
    finally:
        await new.close()
        await old.close()
    if stage.runs_all:
        _repeat_recorded(result)
    else:
        result.figures["growth_at_1e6_orders"] = worst
        record = {"growth_at_1e6_orders": worst, "measured_on": datetime.now(UTC).date().isoformat()}
        RECORDED.write_text(json.dumps(record) + "\n")
    return result


async def _compared(stage: Stage, new: Place, old: Place, name: str) -> tuple[Result, float]:
    result, worst = Result(series={"growth": {"names": [], "ratios": []}}), 0.0

    def compare(what: str, unit: str, found: Sequence[tuple[float, float]]) -> None:
        nonlocal worst
        ours, theirs = [each[1] for each in found], [each[0] for each in found]
        growth = ratio(ours, theirs)
        worst = max(worst, round(growth.median, 2))
        row = Row(f"{what}, {name} orders stored", Spread.of(ours), unit, "empty", Spread.of(theirs), growth)
        result.rows.append(row)
        result.series["growth"]["names"].append(what)
        result.series["growth"]["ratios"].append(growth.median)

    compare("place an order", "ms", await _by_turns(_placing(stage, new), _placing(stage, old)))
    compare("list, first page", "ms", await _by_turns(_listing(new), _listing(old)))
    second, thousandth = await _cursor_of_page(new, 2), await _cursor_of_page(old, 1000)
    pages = await _by_turns(_listing(new, second), _listing(old, thousandth))
    compare("list, thousandth page, beside the second", "ms", pages)
    compare(f"reserve for {BATCH} orders", "ms", await _by_turns(_reserving(new), _reserving(old)))
    compare(f"relay {RELAYED} events", "ms", await _relaying(stage, new, old))
    return result, worst


def _repeat_recorded(result: Result) -> None:
    """Adds the last recorded figure, since filling the large database takes minutes: only a named case does it."""
    if not RECORDED.exists():
        return
    recorded = json.loads(RECORDED.read_text())
    worst = recorded["growth_at_1e6_orders"]
    result.figures["growth_at_1e6_orders"] = worst
    result.rows.append(Row(f"the worst at 10^6 orders, measured on {recorded['measured_on']}", Spread.of([worst]), "×"))


async def _by_turns(ours: Step, theirs: Step) -> list[tuple[float, float]]:
    """The milliseconds of one step in both databases, by round, without the warm-up round. The two alternate."""
    found = []
    for number in range(ROUNDS + 1):
        seconds = [0.0, 0.0]
        for turn in range(TIMES):
            for which in (0, 1) if turn % 2 else (1, 0):
                began = time.perf_counter()
                await (ours, theirs)[which]()
                seconds[which] += time.perf_counter() - began
        if number:
            found.append((1000 * seconds[0] / TIMES, 1000 * seconds[1] / TIMES))
    return found


def _placing(stage: Stage, place: Place) -> Step:
    draw, settings = Draw(seed=5), stage.order_settings()
    who, rules = Principal(uuid4(), frozenset(permissions_of(["User"])), "", 0), RulesHolder(None)

    async def step() -> None:
        wanted = OrderIn.model_validate(draw.order(3))
        async with place.orders.connection() as connection:
            key = Key(str(uuid4()), "POST /orders", b"0")
            placed = await placing.place(connection, wanted, key, who, settings, rules)
        assert isinstance(placed, placing.Placed)

    return step


def _listing(place: Place, cursor: str | None = None) -> Step:
    async def step() -> None:
        async with place.orders.session() as tx:
            found, _ = await queries.search(tx, Position(PAGE, cursor, descending=True), Wanted())
        assert len(found.rows) == PAGE

    return step


async def _cursor_of_page(place: Place, number: int) -> str:
    async with connected(place.order_url) as connection:
        last: UUID = await connection.fetchval(
            "SELECT id FROM orders ORDER BY id DESC OFFSET $1 LIMIT 1", (number - 1) * PAGE - 1
        )
    return encode_cursor([last])


def _reserving(place: Place) -> Step:
    requests: Iterator[Any] = reserving.requests(reserving.Plan(place.inventory_url, 0, 3, 0, seed=6))

    async def step() -> None:
        batch = [next(requests) for _ in range(BATCH)]
        async with place.inventory.transaction() as tx:
            await reservations.answer(tx, batch, [None] * BATCH)

    return step


async def _relaying(stage: Stage, *places: Place) -> list[tuple[float, float]]:
    found = []
    async with _relay(stage, places[0]) as ours, _relay(stage, places[1]) as theirs:
        for number in range(ROUNDS + 1):
            relays = ((0, ours), (1, theirs)) if number % 2 else ((1, theirs), (0, ours))
            seconds = [0.0, 0.0]
            for which, relay in relays:
                seconds[which] = await _relayed(places[which], relay)
            if number:
                found.append((1000 * seconds[0], 1000 * seconds[1]))
    return found


@asynccontextmanager
async def _relay(stage: Stage, place: Place) -> AsyncIterator[Relay]:
    """A running relay, after it has published all earlier events."""
    relay = Relay(place.orders, Producer(stage.shop.kafka, stage.topics(), 20.0), Tuning())
    running = asyncio.create_task(relay.run())
    try:
        await _relayed(place, relay)
        yield relay
    finally:
        relay.stop()
        with suppress(asyncio.CancelledError):
            await running


async def _relayed(place: Place, relay: Relay) -> float:
    """Seconds until all events are published and marked."""
    async with connected(place.order_url) as connection:
        await connection.execute(PENDING, RELAYED)
        began = time.perf_counter()
        relay.wake()
        while True:
            if not await connection.fetchval(IS_PENDING):
                return time.perf_counter() - began
            await asyncio.sleep(0.002)
