"""A consumer of the inventory service: `python -m benchmarks.load.reserving plan.pickle`.

It prints `ready`. For each line on standard input it handles its next records as if they had just been fetched from
Kafka, and prints how many seconds that took.
"""

import asyncio
import itertools
import pickle
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from uuid import UUID

import structlog
import uvloop

from benchmarks.goods import Draw
from contracts.events.inventory_deduction import ReservationRequested
from contracts.quantity import ProductQuantity
from inventory_service.reservations import consumers
from local_stack.environment import ROOT
from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Envelope, Record, encode
from service_kit.messaging.processing import Processor
from service_kit.messaging.subscriptions import gather
from service_kit.messaging.tuning import Tuning

_PARTITIONS = 6


@dataclass(frozen=True)
class Plan:
    """`orders` of `lines` lines for each call, in batches of `batch`. `products`: only these, drawn equally often."""

    database_url: str
    orders: int
    lines: int
    batch: int
    seed: int
    products: Sequence[UUID] | None = None


def requests(plan: Plan) -> Iterator[ReservationRequested]:
    """An endless sequence of requests."""
    draw, chance = Draw(plan.seed), random.Random(plan.seed)
    until = utcnow() + timedelta(hours=1)
    while True:
        if plan.products is None:
            wanted = [good.id for good in draw.basket(plan.lines)]
        else:
            wanted = chance.sample(plan.products, plan.lines)
        lines = [ProductQuantity(product_id=each, quantity=chance.randint(1, 6)) for each in wanted]
        yield ReservationRequested(order_id=uuid7(), lines=lines, reserved_until=until, version=2)


def record(event: ReservationRequested, offset: int) -> Record:
    """The event as a record of Kafka."""
    envelope = Envelope(uuid7(), event.type, event.source, event.subject, utcnow())
    key, value = event.key.encode(), event.model_dump_json().encode()
    return Record(event.topic.name, offset % _PARTITIONS, offset, key, encode(envelope), value)


class Consumer:
    """The process, as the benchmark controls it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(cls, plan: Plan) -> AsyncIterator[Self]:
        with TemporaryDirectory(prefix="online-mart-reserving-") as name:
            given = Path(name) / "plan"
            given.write_bytes(pickle.dumps(plan))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.load.reserving", str(given)),
                cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            consumer = cls(process)
            try:
                yield consumer
            finally:
                with suppress(ProcessLookupError):  # it has ended with an error
                    process.kill()
                await process.wait()

    async def ready(self) -> None:
        """Waits until its next records are prepared, which is not part of the measurement."""
        assert await self._next_line() == "ready"

    async def handle(self) -> float:
        """Handles the next records. Returns the seconds that it took."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        return float(await self._next_line())

    async def _next_line(self) -> str:
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode().strip()
        if not line:
            raise RuntimeError("a consumer ended: see above")
        return line


Work = Callable[[Sequence[Record]], Awaitable[None]]


@asynccontextmanager
async def ours(plan: Plan) -> AsyncIterator[Work]:
    """A function that handles records like the inventory service."""
    database = Database(plan.database_url, name="benchmark")
    subscription = gather([consumers])["inventory_deduction"]
    processor = Processor(database, "/inventory_service", Tuning())

    async def work(records: Sequence[Record]) -> None:
        for batch in _batches(records, plan.batch):
            await processor.process(subscription, batch)

    yield work
    await database.close()


async def _serve(plan: Plan) -> None:
    events = requests(plan)
    async with ours(plan) as work:
        for offset in itertools.count(step=plan.orders):
            records = [record(event, offset + n) for n, event in enumerate(itertools.islice(events, plan.orders))]
            _respond("ready")
            if not await asyncio.to_thread(sys.stdin.readline):
                break
            began = time.perf_counter()
            await work(records)
            _respond(str(time.perf_counter() - began))


def _respond(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


def _batches(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]


if __name__ == "__main__":
    # Logs go to standard error, since standard output is for responses.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    uvloop.run(_serve(pickle.loads(Path(sys.argv[1]).read_bytes())))
