"""Rows to Kafka: one batch per partition at a time, so that a partition's order survives whatever fails."""

import asyncio
import contextlib
import struct
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidMessageError,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from contracts.topics import MAX_DEAD_LETTER_BYTES, MAX_RECORD_BYTES
from service_kit.failpoints import failpoint
from service_kit.messaging import metrics
from service_kit.messaging.connection import KafkaConnection

# The broker will not take these records tomorrow either. Everything else may pass.
_PERMANENT = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidMessageError, InvalidTimestampError)


@dataclass(slots=True)
class Row:
    """One outbox row on its way out."""

    id: int
    event_id: UUID
    topic: str
    key: bytes
    time: datetime
    headers: Sequence[tuple[str, bytes]]
    value: bytes


@dataclass(slots=True)
class Outcome:
    """What became of a group. Filled while it is sent, so that it holds even if that is interrupted.

    `failure` may pass. `rejected` says that the broker will never take a batch as it was; `poison` are the culprits, as
    far as they are known. Rows that stand nowhere here were not sent.
    """

    published: list[Row] = field(default_factory=list)
    poison: list[tuple[Row, str]] = field(default_factory=list)
    rejected: bool = False
    failure: Exception | None = None


class Producer:
    """An idempotent producer that is thrown away after any failure.

    After one, nobody knows which sequence numbers the broker has seen, and aiokafka may be left answering
    OutOfOrderSequence for good. A new one has a new producer id and can at worst repeat a record.
    """

    def __init__(self, kafka: KafkaConnection, topic_prefix: str, send_timeout: float) -> None:
        self._kafka = kafka
        self._prefix = topic_prefix
        self._timeout = send_timeout
        self._client: AIOKafkaProducer | None = None
        self._most = 0  # records in a batch; 0: as many as fit. Lowered while we look for one that is rejected.

    async def publish(self, rows: Sequence[Row]) -> Outcome:
        """Sends the rows and waits for the broker. Never raises for the broker's sake."""
        outcome = Outcome()
        try:
            async with asyncio.timeout(self._timeout):
                await self._publish(rows, outcome)
        except Exception as error:
            outcome.failure = error
        if outcome.failure is not None or outcome.rejected:
            await self.abandon()
        else:
            self._most = 0 if self._most >= len(rows) else self._most * 2
        return outcome

    async def close(self) -> None:
        """Nothing is in flight when this is called: `publish` waits for what it sends."""
        await self.abandon(rebuilt=False)

    async def abandon(self, *, rebuilt: bool = True) -> None:
        """Drops the client with all that it may still hold.

        Not `stop()`, which flushes: an idempotent aiokafka producer retries a batch for ever, and one that lived on
        would publish its old batches when the broker is back, after newer records.
        """
        client, self._client = self._client, None
        if client is None:
            return
        if rebuilt:
            metrics.REBUILT.labels("producer").inc()
        client._closed = True
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                await client._sender.close()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                await client.client.close()

    async def _publish(self, rows: Sequence[Row], outcome: Outcome) -> None:
        client = await self._connected()
        partitions: dict[tuple[str, int], list[Row]] = defaultdict(list)
        counts: dict[str, int] = {}
        for row in rows:
            topic = self._prefix + row.topic
            if topic not in counts:
                counts[topic] = len(await client.partitions_for(topic))
            partitions[topic, partition_of(row.key, counts[topic])].append(row)
        sends = [self._send(client, topic, number, part, outcome) for (topic, number), part in partitions.items()]
        results = await asyncio.gather(*sends, return_exceptions=True)
        failures = [result for result in results if isinstance(result, Exception)]
        outcome.failure = failures[0] if failures else None

    async def _send(
        self, client: AIOKafkaProducer, topic: str, partition: int, rows: list[Row], outcome: Outcome
    ) -> None:
        """The rows of one partition, in order: the next batch leaves when the one before is acknowledged.

        So a batch that fails can have no successor on the broker, and a key's later event never comes first.
        """
        sent = 0
        while sent < len(rows):
            batch = client.create_batch()
            taken = sent
            while taken < len(rows) and (not self._most or taken - sent < self._most) and _append(batch, rows[taken]):
                taken += 1
            part = rows[sent:taken]
            try:
                failpoint("publish.before")
                await (await client.send_batch(batch, topic, partition=partition))
                failpoint("publish.after")
            except _PERMANENT as error:
                outcome.rejected = True
                if len(part) > 1:
                    self._most = len(part) // 2  # one of these: the next try, with smaller batches, comes closer
                else:
                    outcome.poison.append((part[0], repr(error)))
                return  # only this partition stops here; its later rows follow when the relay has set the key aside
            outcome.published += part
            sent = taken

    async def _connected(self) -> AIOKafkaProducer:
        if self._client is None:
            client = AIOKafkaProducer(
                **self._kafka.arguments(),
                enable_idempotence=True,
                max_batch_size=MAX_RECORD_BYTES,
                max_request_size=MAX_DEAD_LETTER_BYTES,
                request_timeout_ms=10_000,
                metadata_max_age_ms=60_000,
            )
            try:
                await client.start()
            except BaseException:
                with contextlib.suppress(Exception):
                    await client.stop()
                raise
            self._client = client
        return self._client


def _append(batch: Any, row: Row) -> bool:
    return batch.append(timestamp=None, key=row.key, value=row.value, headers=row.headers) is not None


@lru_cache(maxsize=8192)  # an aggregate's events come close together
def partition_of(key: bytes, count: int) -> int:
    """Where every Kafka client puts a key (murmur2). aiokafka's takes twice the time; a test holds the two equal."""
    length = len(key)
    whole = length & ~3
    h = 0x9747B28C ^ length
    for k in struct.unpack(f"<{whole >> 2}I", key[:whole]):
        k = k * 0x5BD1E995 & 0xFFFFFFFF  # noqa: PLW2901
        k = (k ^ k >> 24) * 0x5BD1E995 & 0xFFFFFFFF  # noqa: PLW2901
        h = h * 0x5BD1E995 & 0xFFFFFFFF ^ k
    if rest := key[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * 0x5BD1E995 & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return ((h ^ h >> 15) & 0x7FFFFFFF) % count
