"""What Kafka has of each topic, and what each service has consumed of it: also known while a service is down."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from contracts.topics import TOPICS
from local_stack import ports
from local_stack.parts import KAFKA, SERVICES
from local_stack.shop import Shop

# A sample waits so long; a read that takes longer goes on, and the one before it is used meanwhile.
WAIT_SECONDS = 1.5
TIMEOUT_SECONDS = 6.0
RATE_SECONDS = 10.0


class Unreachable(Exception):
    """Kafka does not answer; the message says why."""


class Slow(Unreachable):
    """It may still answer."""


@dataclass(frozen=True)
class Positions:
    """`ends` by topic; `consumed` and `lag` by service and topic. Records are counted over all partitions."""

    at: float
    ends: Mapping[str, int]
    consumed: Mapping[tuple[str, str], int]
    lag: Mapping[tuple[str, str], int]


class Broker:
    """Clients that stay connected, and the positions of the last seconds."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._clients: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None
        self._last: deque[Positions] = deque()
        self._reading: asyncio.Task[Positions] | None = None

    async def read(self) -> Positions:
        """Raises: Unreachable."""
        self._reading = self._reading or asyncio.create_task(self._read_all())
        await asyncio.wait([self._reading], timeout=WAIT_SECONDS)
        if self._reading.done():
            done, self._reading = self._reading, None
            return done.result()
        if not self._last:
            raise Slow("is slow to answer")
        return self._last[-1]

    def published_per_second(self, topic: str, *, latest: bool = False) -> float | None:
        return self._rate(lambda positions: positions.ends.get(topic, 0), latest)

    def consumed_per_second(self, service: str, topic: str, *, latest: bool = False) -> float | None:
        return self._rate(lambda positions: positions.consumed.get((service, topic), 0), latest)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._disconnect()

    async def _read_all(self) -> Positions:
        """Raises: Unreachable."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                admin, consumer = await self._connected()
                found = await self._read(admin, consumer)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._disconnect()
            raise Unreachable(f"does not answer ({type(error).__name__})") from error
        self._last.append(found)
        while self._last[0].at < found.at - RATE_SECONDS:
            self._last.popleft()
        return found

    async def _disconnect(self) -> None:
        clients, self._clients = self._clients, None
        self._last.clear()
        for stop in (clients[0].close, clients[1].stop) if clients else ():
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await stop()

    async def _connected(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._clients is None:
            # A Kafka client that can't connect logs an error each time.
            if KAFKA in self._shop.layout.parts and not ports.is_open(self._shop.layout.port(KAFKA)):
                raise Unreachable("is not running")
            kafka = self._shop.kafka
            self._clients = AIOKafkaAdminClient(**kafka.arguments()), AIOKafkaConsumer(**kafka.arguments())
            for client in self._clients:
                await client.start()
        return self._clients

    async def _read(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> Positions:
        prefix = self._shop.layout.topic_prefix
        groups = await asyncio.gather(
            *(admin.list_consumer_group_offsets(prefix + service.package) for service in SERVICES)
        )
        partitions = {
            TopicPartition(prefix + topic.name, number) for topic in TOPICS for number in range(topic.partitions)
        }
        ends = await consumer.end_offsets(list(partitions.union(*groups)))
        by_topic: dict[str, int] = {}
        for partition, end in ends.items():
            topic = partition.topic.removeprefix(prefix)
            by_topic[topic] = by_topic.get(topic, 0) + end
        consumed: dict[tuple[str, str], int] = {}
        lag: dict[tuple[str, str], int] = {}
        for service, offsets in zip(SERVICES, groups, strict=True):
            for partition, offset in offsets.items():
                place = service.name, partition.topic.removeprefix(prefix)
                consumed[place] = consumed.get(place, 0) + offset.offset
                lag[place] = lag.get(place, 0) + max(0, ends[partition] - offset.offset)
        return Positions(time.time(), by_topic, consumed, lag)

    def _rate(self, count: Callable[[Positions], int], latest: bool) -> float | None:
        """Per second, since the read before or over `RATE_SECONDS`. None before the second read."""
        last = list(self._last)[-2:] if latest else self._last
        if len(last) < 2:
            return None
        return max(0, count(last[-1]) - count(last[0])) / (last[-1].at - last[0].at)
