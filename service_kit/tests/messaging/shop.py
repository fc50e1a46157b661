"""Two small services on real servers: orders publish events, and notifications consume and record them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from contracts.events import order_notification, users
from contracts.events.base import Event
from contracts.money import Money
from contracts.topics import ORDER_NOTIFICATION, USERS
from service_kit.clock import utcnow
from service_kit.database import Database, Transaction, add_kit_tables, service_registry
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Envelope, encode
from service_kit.messaging.service import Messaging
from service_kit.messaging.tuning import Tuning
from service_kit.queue import Backoff
from service_kit.settings import ServiceSettings

BACKOFF = Backoff(timedelta(seconds=0.05), timedelta(minutes=5), attempts=3)
QUICK = Tuning(
    backoff=BACKOFF, poll_seconds=0.2, lease_seconds=3.0, send_timeout=8.0, watch_seconds=0.5, metadata_seconds=1.0
)

_EFFECTS = "CREATE TABLE effects (n bigserial PRIMARY KEY, event_id uuid, key uuid, version int)"


class OrderSettings(ServiceSettings, service="order"):
    """The settings of the publishing service."""


class NotificationSettings(ServiceSettings, service="notification"):
    """The settings of the consuming service."""


def settings(
    kind: type[ServiceSettings], database_url: str, kafka: str, prefix: str, role: str = "all", **more: Any
) -> Any:
    return kind(
        **more,
        service_role=role,
        port=0,
        database_url=database_url,
        kafka_bootstrap_servers=kafka,
        kafka_topic_prefix=prefix,
        public_issuer="https://users.test",
    )


def create_tables(url: str) -> None:
    base = service_registry()
    add_kit_tables(base.metadata)
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"), poolclass=NullPool)
    with engine.begin() as connection:
        base.metadata.create_all(connection)
        connection.execute(text(_EFFECTS))


async def create_topics(kafka: str, prefix: str, max_bytes: int = 1_048_576) -> None:
    small = {"max.message.bytes": str(max_bytes)}
    topics = [
        NewTopic(prefix + topic.name, 3, 1, topic_configs={"cleanup.policy": "compact"} if topic.compacted else small)
        for topic in (ORDER_NOTIFICATION, USERS)
    ]
    dead = [NewTopic(prefix + topic.dlq.name, 1, 1) for topic in (ORDER_NOTIFICATION, USERS)]
    client = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await client.start()
    try:
        await client.create_topics([*topics, *dead])
    finally:
        await client.close()


def paid(order_id: UUID, version: int, number: str = "1") -> order_notification.OrderPaid:
    total = Money(amount=100, currency="GBP")
    return order_notification.OrderPaid(
        order_id=order_id, version=version, number=number, customer_id=uuid4(), total=total
    )


def erased(user_id: UUID, version: int) -> users.UserErased:
    return users.UserErased(user_id=user_id, version=version)


def module(*handlers: Callable[..., Awaitable[None]]) -> ModuleType:
    """A module with these functions, like a service's consumers.py."""
    made = ModuleType("consumers_of_a_test")
    for handler in handlers:
        handler.__module__ = made.__name__
        setattr(made, handler.__name__, handler)
    return made


async def record_effect(tx: Transaction, event: Event, envelope: Envelope) -> None:
    await tx.execute(
        "INSERT INTO effects (event_id, key, version) VALUES ($1, $2, $3)", envelope.id, UUID(event.key), event.version
    )


class Shop:
    """The two services, each with a database, on topics of their own."""

    def __init__(self, kafka: str, prefix: str, order_url: str, notification_url: str) -> None:
        self.kafka, self.prefix = kafka, prefix
        self.order_url, self.notification_url = order_url, notification_url
        self.orders = self.database(order_url)
        self.notifications = self.database(notification_url)
        self._databases: list[Database] = [self.orders, self.notifications]
        self._running: list[Messaging] = []

    def database(self, url: str) -> Database:
        return Database(url, session_pool_size=2, asyncpg_pool_size=4)

    def another_pool(self, url: str) -> Database:
        """A second pool, like that of another process of the service."""
        made = self.database(url)
        self._databases.append(made)
        return made

    async def start_publisher(
        self, database: Database | None = None, tuning: Tuning = QUICK, role: str = "all"
    ) -> Messaging:
        chosen = settings(OrderSettings, self.order_url, self.kafka, self.prefix, role)
        return await self._start(Messaging(chosen, database or self.orders, (), tuning))

    async def start_consumer(
        self,
        *handlers: Callable[..., Awaitable[None]],
        database: Database | None = None,
        tuning: Tuning = QUICK,
        **more: Any,
    ) -> Messaging:
        chosen = settings(NotificationSettings, self.notification_url, self.kafka, self.prefix, **more)
        return await self._start(Messaging(chosen, database or self.notifications, (module(*handlers),), tuning))

    async def _start(self, messaging: Messaging) -> Messaging:
        self._running.append(messaging)
        await messaging.start()
        return messaging

    async def publish(self, events: Sequence[Event], ids: Sequence[UUID] | None = None) -> list[UUID]:
        """Sends directly to the broker, without an outbox."""
        chosen = list(ids or [uuid7() for _ in events])
        async with AIOKafkaProducer(bootstrap_servers=self.kafka) as producer:
            for id, event in zip(chosen, events, strict=True):
                envelope = Envelope(id, event.type, event.source, event.subject, utcnow())
                await self.send(
                    producer, event.topic.name, event.key, event.model_dump_json().encode(), encode(envelope)
                )
        return chosen

    async def send(
        self, producer: AIOKafkaProducer, topic: str, key: str, value: bytes, headers: list[tuple[str, bytes]]
    ) -> None:
        await producer.send_and_wait(self.prefix + topic, value, key=key.encode(), headers=headers)

    async def records(self, topic: str, count: int, seconds: float = 20) -> list[Any]:
        """The topic's first `count` records; those of one partition are in order."""
        consumer = AIOKafkaConsumer(
            self.prefix + topic, bootstrap_servers=self.kafka, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        found: list[Any] = []
        try:
            async with asyncio.timeout(seconds):
                while len(found) < count:
                    for part in (await consumer.getmany(timeout_ms=200)).values():
                        found += part
        finally:
            await consumer.stop()
        return found

    async def effects(self, count: int, seconds: float = 20) -> list[tuple[UUID, int]]:
        """(key, version) of the recorded events in order, once there are `count`."""

        async def enough() -> bool:
            return bool(await self.value(self.notifications, "SELECT count(*) FROM effects") >= count)

        await eventually(enough, seconds, "effects")
        async with self.notifications.connection() as connection:
            rows = await connection.fetch("SELECT key, version FROM effects ORDER BY n")
        return [(row["key"], row["version"]) for row in rows]

    async def value(self, database: Database, sql: str, *arguments: Any) -> Any:
        async with database.connection() as connection:
            return await connection.fetchval(sql, *arguments)

    async def close(self) -> None:
        for messaging in reversed(self._running):
            await messaging.stop()
        for database in self._databases:
            await database.close()


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20, what: str = "condition") -> None:
    """Polls for something that another task or process does, and that cannot be awaited."""
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.02)
