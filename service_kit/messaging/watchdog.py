"""Compares the consumer's progress with its lag. It asks by a client of its own, since a stalled one sees no lag."""

import asyncio
import contextlib
import time
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from service_kit.database.sessions import Database
from service_kit.messaging import metrics, retry_queue
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.consumer import Consumer
from service_kit.messaging.health import ConsumerHealth, MessagingHealth, RelayHealth
from service_kit.messaging.relay import Relay
from service_kit.messaging.tuning import Tuning
from service_kit.waiting import passed

log = structlog.get_logger(__name__)

_BACKLOG = """
    SELECT count(*), coalesce(extract(epoch FROM now() - min(time)), 0)::float8
    FROM (SELECT time FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT 100000) AS unpublished
"""
_BLOCKED_KEYS = """
    SELECT count(DISTINCT (topic, key)) FROM outbox WHERE parked_at IS NOT NULL AND published_at IS NULL
"""
_TIMEOUT_SECONDS = 5.0


class Watchdog:
    def __init__(
        self,
        kafka: KafkaConnection,
        database: Database,
        relay: Relay | None,
        consumer: Consumer | None,
        tuning: Tuning,
    ) -> None:
        self.health = MessagingHealth(ok=False, broker_reachable=False, problems=["not looked yet"])
        self._kafka = kafka
        self._database = database
        self._relay = relay
        self._consumer = consumer
        self._tuning = tuning
        self._client: AIOKafkaConsumer | None = None
        self._stopping = asyncio.Event()
        # By partition: the position, and the time when it last advanced or had no lag.
        self._moved: dict[TopicPartition, tuple[int, float]] = {}
        self._topics: set[str] = set()
        """The topics that exist and that this service may read."""
        self._shown: set[str] = set()
        """Topics whose lag is in the metrics."""
        self._unassigned_since = time.monotonic()
        self._rebuilt_at = time.monotonic()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    await self.inspect()
                except Exception:
                    log.exception("watchdog_failed")
                await passed(self._stopping, self._tuning.watch_seconds)
        finally:
            await self._drop_client()

    async def inspect(self) -> MessagingHealth:
        """Measures lag and progress, rebuilds a stalled consumer, and stores the result in `health`."""
        lags = await self._lags()
        problems = [] if lags is not None else ["broker: can't be reached"]
        relay = await self._relay_health(problems)
        consumers = await self._consumer_health(lags, problems)
        self.health = MessagingHealth(not problems, lags is not None, problems, relay, consumers)
        return self.health

    async def _lags(self) -> dict[TopicPartition, int] | None:
        """The lag of this process's partitions; None when the broker can't be reached."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                client = await self._connected()
                self._topics = await client.topics()
                held = {place for place in self._held() if place.topic in self._topics}
                if not held:
                    return {}
                ends = await client.end_offsets(list(held))
                # Retention may have deleted the records from a position on: these don't count as lag.
                begins = await client.beginning_offsets(list(held))
        except Exception as error:
            log.debug("broker_unavailable", error=repr(error))
            await self._drop_client()
            return None
        positions = await self._positions(held)
        return {place: max(0, ends[place] - max(begins[place], positions.get(place, 0))) for place in held}

    def _held(self) -> set[TopicPartition]:
        return self._consumer.assignment if self._consumer else set()

    async def _positions(self, held: set[TopicPartition]) -> dict[TopicPartition, int]:
        consumer = self._consumer
        assert consumer is not None
        for place in held - consumer.positions.keys():
            client = consumer.client
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    if client is not None and (committed := await client.committed(place)) is not None:
                        consumer.positions.setdefault(place, committed)
        return consumer.positions

    async def _relay_health(self, problems: list[str]) -> RelayHealth | None:
        if self._relay is None:
            return None
        owner = self._relay.lease.epoch is not None
        metrics.OWNER.set(owner)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._database.connection() as connection:
                backlog, oldest = await connection.fetchrow(_BACKLOG)
                blocked_keys = await connection.fetchval(_BLOCKED_KEYS)
        except Exception as error:
            problems.append(f"relay: the database is away ({type(error).__name__})")
            return RelayHealth(owner, 0, 0.0, 0, self._relay.problem)
        metrics.BACKLOG.set(backlog)
        metrics.OLDEST.set(oldest)
        if owner and self._relay.problem and backlog:
            problems.append(f"relay: {self._relay.problem}")
        elif not blocked_keys and oldest > self._tuning.unhealthy_seconds and not self._relay_moves():
            problems.append("relay: there is a backlog and nothing is published")
        return RelayHealth(owner, backlog, round(oldest, 3), blocked_keys, self._relay.problem)

    def _relay_moves(self) -> bool:
        assert self._relay is not None
        return self._relay.seconds_since_published() < self._tuning.unhealthy_seconds

    async def _consumer_health(
        self, lags: dict[TopicPartition, int] | None, problems: list[str]
    ) -> ConsumerHealth | None:
        consumer = self._consumer
        if consumer is None:
            return None
        by_topic: dict[str, int] = {}
        for place, lag in (lags or {}).items():
            by_topic[place.topic] = by_topic.get(place.topic, 0) + lag
        self._show_lag(consumer, by_topic)
        stalled_for = self._stalled_for(lags or {})
        if lags is not None:
            self._rebuild_if_stalled(consumer, stalled_for)
            if stalled_for > self._tuning.unhealthy_seconds:
                problems.append(f"consumers: lag, and no progress for {stalled_for:.0f} s")
            if missing := sorted(consumer.topics - self._topics):
                problems.append(f"consumers: no such topic, or no right to read it: {', '.join(missing)}")
        if consumer.problem:
            problems.append(f"consumers: {consumer.problem}")
        waiting, dead = await self._count_retries()
        metrics.WAITING.set(waiting)
        metrics.DEAD_LETTERS.set(dead)
        return ConsumerHealth(
            assigned=len(consumer.assignment),
            lag=by_topic,
            seconds_since_progress=round(time.monotonic() - consumer.last_progress, 1),
            paused=consumer.paused_why,
            problem=consumer.problem,
            waiting=waiting,
            dead=dead,
        )

    def _show_lag(self, consumer: Consumer, by_topic: dict[str, int]) -> None:
        """Sets the lag in the metrics, and removes that of topics whose partitions other processes have now."""
        held = {place.topic for place in consumer.assignment}
        for topic in self._shown - held:
            metrics.LAG.remove(topic)
        self._shown &= held
        for topic in by_topic.keys() & held:
            metrics.LAG.labels(topic).set(by_topic[topic])
            self._shown.add(topic)

    def _stalled_for(self, lags: dict[TopicPartition, int]) -> float:
        """The longest time, in seconds, for which a partition has had lag without progress."""
        now = time.monotonic()
        positions = self._consumer.positions if self._consumer else {}
        moved: dict[TopicPartition, tuple[int, float]] = {}
        for place, lag in lags.items():
            position = positions.get(place, -1)
            before = self._moved.get(place)
            moved[place] = before if before and before[0] == position and lag else (position, now)
        self._moved = moved
        return max((now - since for _, since in moved.values()), default=0.0)

    def _rebuild_if_stalled(self, consumer: Consumer, stalled_for: float) -> None:
        now = time.monotonic()
        if consumer.assignment:
            self._unassigned_since = now
        # Other replicas may have all partitions, so a client without any is rebuilt once a minute at most.
        unassigned = now - max(self._unassigned_since, self._rebuilt_at) > max(60.0, self._tuning.stalled_seconds)
        # A new client doesn't help while a handler runs or the database is unavailable.
        idle = consumer.busy_since is None
        stalled = stalled_for > self._tuning.stalled_seconds and now - self._rebuilt_at > self._tuning.stalled_seconds
        if idle and (stalled or unassigned):
            log.warning("consumer_stuck", seconds=stalled_for)
            self._rebuilt_at = now
            consumer.rebuild()

    async def _count_retries(self) -> tuple[int, int]:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._database.connection() as connection:
                return await retry_queue.count(connection)
        return 0, 0

    async def _connected(self) -> Any:
        if self._client is None:
            client = AIOKafkaConsumer(**self._kafka.arguments(), group_id=None, request_timeout_ms=5_000)
            self._client = client
            await client.start()
        return self._client

    async def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    await client.stop()
