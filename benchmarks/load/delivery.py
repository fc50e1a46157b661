"""Processes that publish or consume events on JSON commands: `python -m benchmarks.load.delivery plan.pickle`."""

import asyncio
import json
import pickle
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from uuid import uuid4

import structlog
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import SecretStr

from benchmarks.load import effects
from contracts.events.order_notification import OrderPaid
from contracts.money import Money
from local_stack.environment import ROOT
from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.ids import uuid7
from service_kit.messaging import outbox
from service_kit.messaging.consumer import Consumer
from service_kit.messaging.envelope import Envelope, Record, encode
from service_kit.messaging.processing import Processor
from service_kit.messaging.producer import partition_of
from service_kit.messaging.service import Messaging
from service_kit.messaging.subscriptions import Subscription, gather
from service_kit.messaging.tuning import Tuning
from service_kit.settings import ServiceSettings

TOPIC = OrderPaid.topic
PER_ORDER = 4
"""The number of events of each order. They are interleaved, as in a shop with many concurrent orders."""
_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Orders(ServiceSettings, service="order"):
    """The settings of a publisher."""


class Notifications(ServiceSettings, service="notification"):
    """The settings of a consumer."""


@dataclass(frozen=True)
class Plan:
    role: str
    database_url: str
    kafka: str
    prefix: str

    def settings(self, kind: type[ServiceSettings]) -> Any:
        return kind(
            port=0,
            database_url=SecretStr(self.database_url),
            database_allow_plaintext=True,
            kafka_bootstrap_servers=self.kafka,
            kafka_allow_plaintext=True,
            kafka_topic_prefix=self.prefix,
            public_issuer="https://users.test",
        )


def events(count: int) -> Iterator[OrderPaid]:
    """Events of many interleaved orders, `PER_ORDER` of each."""
    orders = [uuid7() for _ in range(count // PER_ORDER)]
    total = Money(amount=4250, currency="GBP")
    for version in range(1, PER_ORDER + 1):
        for number, order in enumerate(orders):
            yield OrderPaid(order_id=order, version=version, number=str(number), customer_id=uuid4(), total=total)


class Child:
    """A process, as the benchmark controls it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(cls, plan: Plan) -> AsyncIterator[Self]:
        with TemporaryDirectory(prefix="online-mart-delivery-") as name:
            given = Path(name) / "plan"
            given.write_bytes(pickle.dumps(plan))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.load.delivery", str(given)),
                cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24,
            )  # fmt: skip
            try:
                yield cls(process)
            finally:
                process.kill()
                await process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, **order: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the benchmark ended: see above")
        return json.loads(line)


class Publisher:
    """Publishes events like the order service, or by a producer alone, with which the relay is compared."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._database = Database(plan.database_url)
        self._messaging = Messaging(plan.settings(Orders), self._database)

    async def start(self) -> None:
        """Starts the relay."""
        await self._messaging.start()

    async def send(self, count: int) -> float:
        """Sends directly to the broker, in the largest possible batches of each partition. Returns the seconds."""
        parts: dict[int, list[tuple[bytes, bytes, list[tuple[str, bytes]]]]] = defaultdict(list)
        for event in events(count):
            envelope = Envelope(uuid7(), event.type, event.source, event.subject, utcnow(), _TRACE)
            key = event.key.encode()
            parts[partition_of(key, TOPIC.partitions)].append((key, event.model_dump_json().encode(), encode(envelope)))
        async with AIOKafkaProducer(
            bootstrap_servers=self._plan.kafka, enable_idempotence=True, max_batch_size=2**20
        ) as producer:
            await producer.partitions_for(self._plan.prefix + TOPIC.name)
            began = time.perf_counter()
            await asyncio.gather(*(self._send(producer, number, part) for number, part in parts.items()))
            return time.perf_counter() - began

    async def _send(self, producer: AIOKafkaProducer, partition: int, records: Sequence[Any]) -> None:
        batch = producer.create_batch()
        for key, value, headers in records:
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                await (await producer.send_batch(batch, self._plan.prefix + TOPIC.name, partition=partition))
                batch = producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=headers)
        await (await producer.send_batch(batch, self._plan.prefix + TOPIC.name, partition=partition))

    async def add(self, count: int) -> None:
        """Inserts all events into the outbox, without waking the relay."""
        async with self._database.transaction() as tx:
            coming = events(count)
            while part := list(islice(coming, 1000)):
                await outbox.add(tx, *part, traceparents=[_TRACE] * len(part))
            tx.added_events = False

    async def commit_at_rate(self, rate: float, seconds: float) -> dict[str, float]:
        """Commits one event per transaction at a constant rate. Returns the time of each commit."""
        committed: dict[str, float] = {}

        async def publish(event: OrderPaid) -> None:
            async with self._database.transaction() as tx:
                await outbox.add(tx, event)
            committed[event.key] = time.time()

        await _at_rate(publish, rate, seconds)
        return committed

    async def send_at_rate(self, rate: float, seconds: float) -> dict[str, float]:
        """As `commit_at_rate`, but sends directly to the broker, without a database. Returns the time of each send."""
        sent: dict[str, float] = {}
        async with AIOKafkaProducer(bootstrap_servers=self._plan.kafka, enable_idempotence=True) as producer:
            topic = self._plan.prefix + TOPIC.name
            await producer.partitions_for(topic)

            async def publish(event: OrderPaid) -> None:
                sent[event.key] = time.time()
                await producer.send_and_wait(topic, event.model_dump_json().encode(), event.key.encode())

            await _at_rate(publish, rate, seconds)
        return sent


async def _at_rate(publish: Callable[[OrderPaid], Coroutine[Any, Any, None]], rate: float, seconds: float) -> None:
    """Publishes one event of each order, at a constant rate and without waiting for earlier ones."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as pending:
        for number, event in enumerate(islice(events(PER_ORDER * round(rate * seconds)), round(rate * seconds))):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            pending.create_task(publish(event))


class GatedProcessor(Processor):
    """Waits until its gate is open before it handles records, and stores when each event has taken effect."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gate = asyncio.Event()
        self.consumed: dict[str, float] = {}
        self.count = 0
        self.reached = asyncio.Condition()

    async def process(self, subscription: Subscription, records: Sequence[Record]) -> None:
        await self.gate.wait()
        await super().process(subscription, records)
        now = time.time()
        self.consumed.update((record.key.decode(), now) for record in records)
        async with self.reached:
            self.count += len(records)
            self.reached.notify_all()


class BatchConsumer:
    """Consumes events like the notification service, by the kit's consumer with a batch handler."""

    def __init__(self, plan: Plan) -> None:
        settings, tuning = plan.settings(Notifications), Tuning()
        self._processor = GatedProcessor(Database(plan.database_url), "/notification_service", tuning)
        self._consumer = Consumer(settings, gather([effects]), self._processor, tuning)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when its partitions are assigned."""
        self._running = asyncio.create_task(self._consumer.run())
        while not self._consumer.assignment:
            await asyncio.sleep(0.01)

    async def handle(self, count: int) -> float:
        """Handles the next events. Returns the seconds until their effects are committed."""
        processor = self._processor
        began, wanted = time.perf_counter(), processor.count + count
        processor.gate.set()
        async with processor.reached:
            await processor.reached.wait_for(lambda: processor.count >= wanted)
        processor.gate.clear()
        return time.perf_counter() - began

    async def receive(self, count: int) -> dict[str, float]:
        """The times when the next `count` events have taken effect, by key."""
        self._processor.consumed.clear()
        self._processor.gate.set()
        while len(self._processor.consumed) < count:
            await asyncio.sleep(0.05)
        self._processor.gate.clear()
        return self._processor.consumed


class BareConsumer:
    """Kafka's client alone, without handlers."""

    def __init__(self, plan: Plan) -> None:
        topic, group = plan.prefix + TOPIC.name, plan.prefix + "bare"
        self._client = AIOKafkaConsumer(
            topic, bootstrap_servers=plan.kafka, group_id=group, auto_offset_reset="earliest"
        )

    async def start(self) -> None:
        await self._client.start()

    async def fetch(self, count: int) -> None:
        """Fetches `count` records, in batches of any size."""
        while count > 0:
            count -= sum(map(len, (await self._client.getmany(timeout_ms=500)).values()))

    async def receive(self, count: int) -> dict[str, float]:
        """The times when the next `count` events were fetched, by key."""
        received: dict[str, float] = {}
        while len(received) < count:
            for part in (await self._client.getmany(timeout_ms=500)).values():
                received.update((record.key.decode(), time.time()) for record in part)
        return received


_ROLES: dict[str, Any] = {
    "publish": Publisher,
    "consume": BatchConsumer,
    "fetch": BareConsumer,
}


async def _serve(plan: Plan) -> None:
    part = _ROLES[plan.role](plan)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        print(json.dumps(await getattr(part, order.pop("do"))(**order)), flush=True)


if __name__ == "__main__":
    # Logs go to standard error, since standard output is for responses.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    uvloop.run(_serve(pickle.loads(Path(sys.argv[1]).read_bytes())))
