"""Publishes the outbox: in insertion order, at least once, one process of the service at a time."""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from typing import Any

import structlog

from service_kit.clock import utcnow
from service_kit.database.sessions import Database
from service_kit.database.statements import Statement
from service_kit.messaging import metrics
from service_kit.messaging.envelope import Envelope, encode, headers_from_json
from service_kit.messaging.lease import Lease
from service_kit.messaging.marks import Marks
from service_kit.messaging.producer import Producer, Row
from service_kit.messaging.spans import started_producing
from service_kit.messaging.tuning import Tuning
from service_kit.messaging.waker import CHANNEL
from service_kit.telemetry.tracing import traceparent_of
from service_kit.waiting import passed

log = structlog.get_logger(__name__)

# The condition can't be "greater than the last id": ids are assigned at the insert and visible after the commit, so a
# lower one may appear after a higher one was published. The rows end where a group reaches its limit of bytes.
_FETCH = Statement("""
    SELECT id, event_id, topic, key, type, subject, source, time, traceparent, headers, value
    FROM (SELECT *, sum(length(value)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - length(value) AS bytes_before
          FROM outbox
          WHERE published_at IS NULL AND (topic, key) NOT IN (SELECT * FROM unnest(:topics::text[], :keys::bytea[]))
            AND id NOT IN (SELECT unnest(:besides::bigint[]))
          ORDER BY id
          LIMIT :group_size) AS first
    WHERE bytes_before < :group_bytes
    ORDER BY id
""")
_SET_ASIDE = Statement("UPDATE outbox SET parked_at = now(), error = :error WHERE id = :id")
_BLOCKED_KEYS = "SELECT DISTINCT topic, key FROM outbox WHERE parked_at IS NOT NULL AND published_at IS NULL"
# Rejected events are tried again at intervals: the broker's limit may have been raised.
_RESTORE = "UPDATE outbox SET parked_at = NULL WHERE parked_at < now() - interval '10 minutes' AND published_at IS NULL"


class Relay:
    """Has two connections (one for LISTEN, lease and rows, one for marks) and one producer."""

    def __init__(self, database: Database, producer: Producer, tuning: Tuning) -> None:
        self.lease = Lease(f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}", tuning.lease_seconds)
        self.problem: str | None = None
        self._marks = Marks(self.lease, most=tuning.group_size)
        self._database = database
        self._producer = producer
        self._tuning = tuning
        self._woken = asyncio.Event()
        self._stopping = False
        self._blocked: set[tuple[str, bytes]] = set()
        self._blocked_known: tuple[int | None, float] | None = None
        self._published_in: int | None = None

    def wake(self) -> bool:
        """Is called after a commit with events. Returns False if this process does not have the lease."""
        self._woken.set()
        return self.lease.epoch is not None

    def seconds_since_published(self) -> float:
        return time.monotonic() - self._marks.last_written

    def stop(self) -> None:
        """Lets the current group be finished and the lease be released; then `run` returns."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        pause = 0.1
        while not self._stopping:
            try:
                async with self._connected() as connection, self._connected() as marking:
                    try:
                        async with self._marks.connected_to(marking, self._woken.set):
                            await self._serve(connection)
                    finally:
                        self.lease.forget()  # does nothing after an orderly release
                pause = 0.1
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}"
                log.warning("relay_failed", problem=self.problem, retry_seconds=pause)
                await passed(self._woken, pause)
                pause = min(pause * 2, 5.0)
        await self._producer.close()

    async def _serve(self, connection: Any) -> None:
        await connection.add_listener(CHANNEL, lambda *_: self._woken.set())
        pause = 0.1
        while not self._stopping:
            self._woken.clear()  # before the query, so that a commit after it causes another query
            self._marks.check()
            if not await self.lease.hold(connection):
                await passed(self._woken, self._tuning.poll_seconds)
                continue
            epoch = self.lease.epoch
            if epoch != self._published_in:
                # Topics may have more partitions than when this process had the lease before (`growth.py`).
                await self._producer.close()
                self._published_in = epoch
            await self._refresh_blocked_keys(connection)
            rows = await self._fetch(connection)
            if not rows:
                self.problem, pause = None, 0.1
                await passed(self._woken, self._tuning.poll_seconds)
                continue
            failure, was_all = await self._publish(connection, rows, epoch)
            if failure is None:
                self.problem, pause = None, 0.1
                if was_all:
                    await passed(self._woken, self._tuning.poll_seconds)
                continue
            # The failure may be temporary: the same rows are sent again, so that no later ones overtake them.
            self.problem = f"{type(failure).__name__}: {failure}"
            log.warning("broker_unavailable", problem=self.problem, retry_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)
        await self._marks.finish()
        await self.lease.release(connection)

    async def _publish(self, connection: Any, rows: list[Row], epoch: int | None) -> tuple[Exception | None, bool]:
        """Sends the group, and those after it while there are more; each when the one before is acknowledged.

        Returns the error, if there was one, and whether nothing seems to be left.
        Meanwhile the former groups are marked and the next one is fetched. A crash repeats at most 2 groups, in order.
        Rows are never sent in another epoch than that of their fetch, nor after a group that was not sent completely.
        """
        while True:
            outcome, following = await asyncio.gather(
                self._producer.publish(rows), self._following(connection, rows), return_exceptions=True
            )
            if isinstance(outcome, BaseException):
                raise outcome
            self._marks.add(outcome.published, epoch)
            _observe(outcome.published)
            if isinstance(following, BaseException):
                raise following
            await self._marks.room()
            if not following or len(outcome.published) < len(rows) or self._stopping:
                break
            if not await self.lease.hold(connection) or self.lease.epoch != epoch:
                break
            rows = following
        await self._block(connection, outcome.poison)
        was_all = not following and len(outcome.published) == len(rows) and not self._is_cut(rows)
        return outcome.failure, was_all

    async def _following(self, connection: Any, rows: Sequence[Row]) -> list[Row]:
        """Fetches the rows after these, while these are sent. Empty if these seem to be the last."""
        if not self._is_cut(rows) and not self._woken.is_set():
            return []
        self._woken.clear()
        await self._refresh_blocked_keys(connection)
        return await self._fetch(connection, besides=rows)

    def _is_cut(self, rows: Sequence[Row]) -> bool:
        """Whether there may have been more rows when these were fetched."""
        tuning = self._tuning
        return len(rows) >= tuning.group_size or sum(len(row.value) for row in rows) >= tuning.group_bytes

    async def _block(self, connection: Any, poison: Sequence[tuple[Row, str]]) -> None:
        for row, error in poison:
            log.error("event_rejected_by_broker", event_id=row.event_id, topic=row.topic, error=error)
            await _SET_ASIDE.execute(connection, id=row.id, error=error)
            self._blocked.add((row.topic, row.key))

    async def _fetch(self, connection: Any, besides: Sequence[Row] = ()) -> list[Row]:
        found = await _FETCH.fetch(
            connection,
            topics=[topic for topic, _ in self._blocked],
            keys=[key for _, key in self._blocked],
            besides=[row.id for row in (*self._marks.unmarked(), *besides)],
            group_size=self._tuning.group_size,
            group_bytes=self._tuning.group_bytes,
        )
        return [_row(record) for record in found]

    async def _refresh_blocked_keys(self, connection: Any) -> None:
        """Reads the keys when the lease is acquired, since another owner may have blocked some; then each minute."""
        known = (self.lease.epoch, time.monotonic() // 60)
        if known == self._blocked_known:
            return
        self._blocked_known = known
        await connection.execute(_RESTORE)
        self._blocked = {(record[0], record[1]) for record in await connection.fetch(_BLOCKED_KEYS)}

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        connection = await self._database.connect()
        try:
            yield connection
        finally:
            try:
                await connection.close(timeout=2)
            except Exception:
                connection.terminate()


def _row(record: Any) -> Row:
    id, event_id, topic, key, type, subject, source, created_at, traceparent, headers, value = record
    if headers is not None:
        return Row(id, event_id, topic, key, created_at, headers_from_json(headers), value)
    if span := started_producing(topic, event_id, type, traceparent, created_at):
        traceparent = traceparent_of(span)
    encoded = encode(Envelope(event_id, type, source, subject, created_at, traceparent))
    return Row(id, event_id, topic, key, created_at, encoded, value, span)


def _observe(rows: Sequence[Row]) -> None:
    if not rows:
        return
    for topic, count in Counter(row.topic for row in rows).items():
        metrics.PUBLISHED.labels(topic).inc(count)
    oldest = min(row.time for row in rows)
    metrics.COMMIT_TO_PUBLISHED.observe((utcnow() - oldest.astimezone(UTC)).total_seconds())
