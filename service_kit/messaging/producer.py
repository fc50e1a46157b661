"""Publishes rows to Kafka, one batch per partition at a time, so that failures can't change a partition's order."""

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
from opentelemetry.trace import Span

from contracts.topics import MAX_DEAD_LETTER_BYTES, MAX_RECORD_BYTES
from service_kit.failpoints import failpoint
from service_kit.messaging import metrics
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.spans import producing

# The broker will always reject these records. All other errors may be temporary.
_PERMANENT = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidMessageError, InvalidTimestampError)


@dataclass(slots=True)
class Row:
    """An outbox row that is to be published."""

    id: int
    event_id: UUID
    topic: str
    key: bytes
    time: datetime
    headers: Sequence[tuple[str, bytes]]
    value: bytes
    span: Span | None = None


@dataclass(slots=True)
class Outcome:
    """The outcome of publishing a group. It is filled while rows are sent, so that it is valid after an interruption.

    `failure` may be temporary. `rejected`: the broker will never accept one of the batches; `poison`: the rows that
    caused it, as far as they are known. All other rows that are not in `published` were not acknowledged.
    """

    published: list[Row] = field(default_factory=list)
    poison: list[tuple[Row, str]] = field(default_factory=list)
    rejected: bool = False
    failure: Exception | None = None


class Producer:
    """An idempotent producer that is replaced after any failure.

    After a failure it is unknown which sequence numbers the broker has seen, and aiokafka may raise
    OutOfOrderSequence forever. A new producer has a new id, and can at worst repeat a record.
    """

    def __init__(self, kafka: KafkaConnection, topic_prefix: str, send_timeout: float) -> None:
        self._kafka = kafka
        self._prefix = topic_prefix
        self._timeout = send_timeout
        self._client: AIOKafkaProducer | None = None
        self._most = 0  # records in a batch; 0: as many as fit. It is lowered to find a rejected record.

    async def publish(self, rows: Sequence[Row]) -> Outcome:
        """Sends the rows and waits for the acknowledgements. Never raises errors of the broker."""
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
        """Closes the client. No record is in flight then, since `publish` waits for all acknowledgements."""
        await self.abandon(rebuilt=False)

    async def abandon(self, *, rebuilt: bool = True) -> None:
        """Closes the client and drops its unsent batches.

        aiokafka's `stop()` would flush them: an idempotent producer retries a batch forever, and would publish old
        batches after newer records when the broker is available again.
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
        """Sends the rows of one partition in order: each batch after the acknowledgement of the one before.

        So the broker has no batch that follows a failed one, and a key's later event never precedes an earlier one.
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
                with producing(part):
                    await (await client.send_batch(batch, topic, partition=partition))
                failpoint("publish.after")
            except _PERMANENT as error:
                outcome.rejected = True
                if len(part) > 1:
                    self._most = len(part) // 2  # one of these is rejected: smaller batches find it
                else:
                    outcome.poison.append((part[0], repr(error)))
                return  # only this partition stops; its later rows follow after the relay has blocked the key
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


@lru_cache(maxsize=8192)  # an aggregate's events follow each other closely
def partition_of(key: bytes, count: int) -> int:
    """The partition of a key (murmur2, as in all Kafka clients) in half of aiokafka's time; a test compares the two."""
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
