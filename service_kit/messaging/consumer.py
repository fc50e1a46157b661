"""Passes records from Kafka to `Processor`, and commits only offsets of records that have taken effect."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from service_kit.messaging import metrics
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.envelope import Record
from service_kit.messaging.offsets import Offsets
from service_kit.messaging.processing import Abandoned, Processor
from service_kit.messaging.subscriptions import Subscription
from service_kit.messaging.tuning import Tuning
from service_kit.settings import ServiceSettings
from service_kit.waiting import passed

log = structlog.get_logger(__name__)

_CLOSE_SECONDS = 5.0


class Consumer:
    """A member of the service's consumer group. Its client is rebuilt after any error, and by the watchdog."""

    def __init__(
        self,
        settings: ServiceSettings,
        subscriptions: Mapping[str, Subscription],
        processor: Processor,
        tuning: Tuning,
    ) -> None:
        self.positions: dict[TopicPartition, int] = {}  # the next record to handle
        self.last_progress = time.monotonic()
        self.busy_since: float | None = None
        self.client: AIOKafkaConsumer | None = None
        self.problem: str | None = None
        self._kafka = KafkaConnection.of(settings)
        self._prefix = settings.kafka_topic_prefix
        self._pause = settings.fetch_max_wait_ms / 1000
        self._group = settings.kafka_topic_prefix + settings.service_name
        self._subscriptions = subscriptions
        self.topics = {settings.kafka_topic_prefix + topic for topic in subscriptions}
        self._processor = processor
        self._tuning = tuning
        self._round_lock = asyncio.Lock()
        for topic in subscriptions:
            metrics.DEAD.labels(topic, "unreadable")  # from 0, so that an alert sees the first one
        self._offsets: Offsets | None = None
        self._stopping = asyncio.Event()
        self._session: asyncio.Task[None] | None = None

    @property
    def assignment(self) -> set[TopicPartition]:
        return set(self.client.assignment()) if self.client is not None else set()

    @property
    def paused_why(self) -> str | None:
        return self._processor.paused_why

    def stop(self) -> None:
        """Lets the current round finish, its offsets be committed and the group be left; then `run` returns."""
        self._stopping.set()
        self._processor.interrupted.set()  # ends waits, but never a running handler

    def rebuild(self) -> None:
        """Closes the client, which `run` replaces; safe at any time: a round is rolled back, and fetched again."""
        metrics.REBUILT.labels("consumer").inc()
        if self._session is not None:
            self._session.cancel()

    async def run(self) -> None:
        pause = 0.2
        while not self._stopping.is_set():
            began = time.monotonic()
            self._session = asyncio.create_task(self._run_session())
            try:
                await asyncio.wait([self._session])
            except asyncio.CancelledError:
                self._session.cancel()
                await asyncio.wait([self._session])
                raise
            if not self._session.cancelled() and (error := self._session.exception()) is not None:
                self.problem = f"{type(error).__name__}: {error}"
                pause = 0.2 if time.monotonic() - began > 60 else min(pause * 2, 5.0)
                log.warning("consumer_failed", problem=self.problem, retry_seconds=pause)
                await passed(self._stopping, pause)

    async def _run_session(self) -> None:
        client = self._new_client()
        offsets = self._offsets = Offsets(client)
        client.subscribe(sorted(self.topics), listener=_Listener(self._release_partitions))
        started = asyncio.create_task(client.start())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([started, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not started.done():
                return
            started.result()
            self.client, self.problem = client, None
            self.positions.clear()
            while not self._stopping.is_set():
                offsets.check()
                await self._round(client, offsets)
        finally:
            self.client = None
            await offsets.committed()
            for task in (started, stopping):
                task.cancel()
            await asyncio.wait([started, stopping])
            await _close(client)

    def _new_client(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._kafka.arguments(),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,  # the least by brokers' default; for so long a killed member keeps its partitions
            heartbeat_interval_ms=1_500,
            rebalance_timeout_ms=30_000,
            request_timeout_ms=15_000,
            metadata_max_age_ms=int(self._tuning.metadata_seconds * 1000),
            fetch_min_bytes=1,
            fetch_max_wait_ms=250,
        )

    async def _round(self, client: AIOKafkaConsumer, offsets: Offsets) -> None:
        fetched = await client.getmany(timeout_ms=500, max_records=self._tuning.batch_size)
        if not fetched:
            return
        async with self._paced(client, sum(map(len, fetched.values()))):
            await self._carry_out(client, offsets, fetched)

    @contextlib.asynccontextmanager
    async def _paced(self, client: AIOKafkaConsumer, fetched: int) -> AsyncIterator[None]:
        """Pauses after a round, if `fetch_max_wait_ms` is set, so that more records arrive for the next one.

        The round itself does not wait: a single event is handled at once. Nothing is fetched during the pause, since
        many small fetches would cost what it saves. After a full round there is no pause, as more records are waiting.
        """
        if not self._pause or fetched >= self._tuning.batch_size:
            yield
            return
        ends = time.monotonic() + self._pause
        client.pause(*client.assignment())
        try:
            yield
            await passed(self._stopping, ends - time.monotonic())
        finally:
            client.resume(*(client.assignment() & client.paused()))

    async def _carry_out(
        self, client: AIOKafkaConsumer, offsets: Offsets, fetched: dict[TopicPartition, list[Any]]
    ) -> None:
        # No `await` before the lock is taken: so a rebalance either precedes the round, or waits for its end.
        async with self._round_lock:
            self.busy_since = time.monotonic()
            handled: dict[TopicPartition, int] = {}
            try:
                await self._handle(fetched, handled)
            except Abandoned:
                log.info("consumer_round_abandoned")
            finally:
                self.busy_since = None
                offsets.handled(self._finish(client, fetched, handled))

    async def _handle(self, fetched: dict[TopicPartition, list[Any]], handled: dict[TopicPartition, int]) -> None:
        by_topic: dict[str, list[tuple[TopicPartition, list[Any]]]] = {}
        for place, records in fetched.items():
            by_topic.setdefault(place.topic, []).append((place, records))
        # The order of events of different topics is undefined, so topics have separate, concurrent transactions.
        work = [self._handle_topic(name, parts, handled) for name, parts in by_topic.items()]
        for failure in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure

    async def _handle_topic(
        self, name: str, parts: list[tuple[TopicPartition, list[Any]]], handled: dict[TopicPartition, int]
    ) -> None:
        topic = name.removeprefix(self._prefix)
        records = [_record(topic, raw) for _, part in parts for raw in part]
        await self._processor.process(self._subscriptions[topic], records)
        handled.update({place: part[-1].offset + 1 for place, part in parts})
        self.last_progress = time.monotonic()

    def _finish(
        self, client: AIOKafkaConsumer, fetched: dict[TopicPartition, list[Any]], handled: dict[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Seeks to the first record that was not handled. Returns the offsets to commit."""
        ours = client.assignment()
        for place, records in fetched.items():
            if place in ours and place not in handled:
                client.seek(place, records[0].offset)
        # A partition that was reassigned meanwhile is committed by its new owner: its inbox skips what we handled.
        offsets = {place: offset for place, offset in handled.items() if place in ours}
        self.positions.update(offsets)
        return offsets

    async def _release_partitions(self) -> None:
        """Called before partitions are revoked: waits for the round to end and its offsets to be committed, since
        afterwards another member owns them. A wait for the database is interrupted.
        """
        if self._round_lock.locked():
            self._processor.interrupted.set()
            async with self._round_lock:
                pass
        if self._offsets is not None:
            await self._offsets.committed()
        self.positions.clear()
        if not self._stopping.is_set():
            self._processor.interrupted.clear()


class _Listener(ConsumerRebalanceListener):
    def __init__(self, release_partitions: Any) -> None:
        self._release_partitions = release_partitions

    async def on_partitions_revoked(self, _: Sequence[TopicPartition]) -> None:
        await self._release_partitions()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        log.info("partitions_assigned", count=len(assigned))


def _record(topic: str, raw: Any) -> Record:
    return Record(topic, raw.partition, raw.offset, raw.key or b"", raw.headers, raw.value or b"", raw.timestamp)


async def _close(client: AIOKafkaConsumer) -> None:
    """Leaves the group, so that other members take over at once. The time is limited: brokers may be unreachable."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await client.stop()
    except Exception:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1):
                await client._client.close()
