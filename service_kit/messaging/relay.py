"""Publishes the outbox: in insertion order, at least once, one process of the service at a time."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from service_kit.clock import utcnow
from service_kit.crashpoints import reach
from service_kit.database.doors import Database
from service_kit.messaging import metrics
from service_kit.messaging.envelope import Envelope, encode, headers_from_json
from service_kit.messaging.lease import Lease
from service_kit.messaging.producer import Producer, Row
from service_kit.messaging.tuning import Tuning
from service_kit.messaging.waker import CHANNEL

log = logging.getLogger(__name__)

# "Not published yet", never "greater than the last id": ids are given out at the insert and seen at the commit, so a
# lower one may appear after a higher one was published. Rows end where their values are more than a group may hold.
_FETCH = """
    SELECT id, event_id, topic, key, type, subject, source, time, traceparent, headers, value
    FROM (SELECT *, sum(length(value)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - length(value) AS bytes_before
          FROM outbox
          WHERE published_at IS NULL AND (topic, key) NOT IN (SELECT * FROM unnest($2::text[], $3::bytea[]))
            AND id NOT IN (SELECT unnest($4::bigint[]))
          ORDER BY id
          LIMIT $1) AS first
    WHERE bytes_before < $5
    ORDER BY id
"""
# Marks only for who still has the epoch that it published under, and holds it until the marks are committed.
_MARK = """
    WITH lease AS MATERIALIZED (
        SELECT FROM outbox_lease WHERE id = 1 AND owner = $2 AND epoch = $3 FOR SHARE
    )
    UPDATE outbox SET published_at = now() WHERE id = ANY ($1::bigint[]) AND EXISTS (SELECT FROM lease)
"""
# We published after another had taken over: our repeats may stand behind newer records of their keys, and compaction
# keeps what stands last. So the present owner is made to repeat those keys from our first row on; also what it has sent
# and not marked yet, which is why it loses its epoch first.
_RAISE_EPOCH = "UPDATE outbox_lease SET epoch = epoch + 1 WHERE id = 1"
_REPEAT_AFTER_US = """
    UPDATE outbox SET published_at = NULL
    FROM (SELECT topic, key, min(id) AS first
          FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS ours (topic, key, id)
          GROUP BY topic, key) AS stale
    WHERE outbox.topic = stale.topic AND outbox.key = stale.key AND outbox.id >= stale.first
      AND published_at IS NOT NULL
"""
_PARK = "UPDATE outbox SET parked_at = now(), error = $2 WHERE id = $1"
_PARKED_KEYS = "SELECT DISTINCT topic, key FROM outbox WHERE parked_at IS NOT NULL AND published_at IS NULL"
# What the broker refused is tried again now and then: its limit may have been raised.
_UNPARK = "UPDATE outbox SET parked_at = NULL WHERE parked_at < now() - interval '10 minutes' AND published_at IS NULL"


class Relay:
    """Two connections of its own (LISTEN, lease and rows; marks) and one producer."""

    def __init__(self, database: Database, producer: Producer, tuning: Tuning) -> None:
        self.lease = Lease(f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}", tuning.lease_seconds)
        self.problem: str | None = None
        self._last_published = time.monotonic()
        self._database = database
        self._producer = producer
        self._tuning = tuning
        self._woken = asyncio.Event()
        self._stopping = False
        # Acknowledged by the broker, under this epoch, and not yet marked. It outlives a lost connection: what was sent
        # by a former owner must be told, however late.
        self._sent: list[tuple[Sequence[Row], int | None]] = []
        self._parked: set[tuple[str, bytes]] = set()
        self._parked_known: tuple[int | None, float] | None = None

    def wake(self) -> bool:
        """Something was committed. False when another process does the publishing."""
        self._woken.set()
        return self.lease.epoch is not None

    def seconds_since_published(self) -> float:
        return time.monotonic() - self._last_published

    def stop(self) -> None:
        """Finishes the group in hand, then gives the lease back; `run` returns when both are done."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        pause = 0.1
        while not self._stopping:
            try:
                async with self._connected() as connection, self._connected() as marking:
                    try:
                        await self._serve(connection, marking)
                    finally:
                        self.lease.forget()  # after the release of an orderly end this is nothing
                pause = 0.1
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}"
                log.warning("relay: %s; trying again in %.1f s", self.problem, pause)
                await self._wait(pause)
                pause = min(pause * 2, 5.0)
        await self._producer.close()

    async def _serve(self, connection: Any, marking: Any) -> None:
        await connection.add_listener(CHANNEL, lambda *_: self._woken.set())
        await self._mark_sent(marking)
        pause = 0.1
        while not self._stopping:
            self._woken.clear()  # before looking, so that what is committed after the look wakes us again
            if not await self.lease.hold(connection):
                await self._wait(self._tuning.poll_seconds)
                continue
            await self._refresh_parked(connection)
            rows = await self._fetch(connection)
            if not rows:
                self.problem, pause = None, 0.1
                await self._wait(self._tuning.poll_seconds)
                continue
            failure = await self._publish(connection, marking, rows)
            if failure is None:
                self.problem, pause = None, 0.1
                continue
            # It may pass, and until it does nothing overtakes: the same rows are sent again, first things first.
            self.problem = f"{type(failure).__name__}: {failure}"
            log.warning("relay: broker: %s; trying again in %.1f s", self.problem, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)
        await self.lease.release(connection)

    async def _publish(self, connection: Any, marking: Any, rows: list[Row]) -> Exception | None:
        """Sends the group and, while more wait, those after it; each leaves when the one before is acknowledged.

        Meanwhile the one before is marked and the next is fetched. A crash repeats two groups at most, in their order.
        What was fetched under one epoch is never sent under another, nor after a group that was not taken as a whole.
        """
        epoch = self.lease.epoch
        while True:
            outcome, following, marked = await asyncio.gather(
                self._producer.publish(rows),
                self._following(connection, rows),
                self._mark_sent(marking),
                return_exceptions=True,
            )
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome.published:
                self._sent.append((outcome.published, epoch))
            if isinstance(following, BaseException):
                raise following
            if isinstance(marked, BaseException):
                raise marked
            if not following or len(outcome.published) < len(rows) or self._stopping:
                break
            if not await self.lease.hold(connection) or self.lease.epoch != epoch:
                break
            rows = following
        await self._mark_sent(marking)
        await self._park(connection, outcome.poison)
        return outcome.failure

    async def _following(self, connection: Any, rows: Sequence[Row]) -> list[Row]:
        """What comes after these rows, while they are on their way; nothing if they seem to be the last."""
        if len(rows) < self._tuning.group_size and not self._woken.is_set():
            return []
        self._woken.clear()
        await self._refresh_parked(connection)
        unmarked = [row for sent, _ in self._sent for row in sent]
        return await self._fetch(connection, besides=[*unmarked, *rows])

    async def _park(self, connection: Any, poison: Sequence[tuple[Row, str]]) -> None:
        for row, error in poison:
            log.error("relay: the broker refuses event %s of %s; its key waits: %s", row.event_id, row.topic, error)
            await connection.execute(_PARK, row.id, error)
            self._parked.add((row.topic, row.key))

    async def _mark_sent(self, connection: Any) -> None:
        while self._sent:
            await self._mark(connection, *self._sent[0])
            del self._sent[0]

    async def _mark(self, connection: Any, rows: Sequence[Row], epoch: int | None) -> None:
        reach("mark.before")
        marked = await connection.execute(_MARK, [row.id for row in rows], self.lease.owner, epoch)
        reach("mark.after")
        if marked == "UPDATE 0":
            log.warning("relay: the lease went to another process while %d events were sent", len(rows))
            self.lease.forget()
            async with connection.transaction():
                await connection.execute(_RAISE_EPOCH)
                await connection.execute(
                    _REPEAT_AFTER_US, [row.topic for row in rows], [row.key for row in rows], [row.id for row in rows]
                )
            return
        self._last_published = time.monotonic()
        _observe(rows, utcnow())

    async def _fetch(self, connection: Any, besides: Sequence[Row] = ()) -> list[Row]:
        topics, keys = [topic for topic, _ in self._parked], [key for _, key in self._parked]
        ids = [row.id for row in besides]
        tuning = self._tuning
        found = await connection.fetch(_FETCH, tuning.group_size, topics, keys, ids, tuning.group_bytes)
        return [_row(record) for record in found]

    async def _refresh_parked(self, connection: Any) -> None:
        """At each taking of the lease, since another owner may have parked keys; then once a minute."""
        known = (self.lease.epoch, time.monotonic() // 60)
        if known == self._parked_known:
            return
        self._parked_known = known
        await connection.execute(_UNPARK)
        self._parked = {(record[0], record[1]) for record in await connection.fetch(_PARKED_KEYS)}

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

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


def _row(record: Any) -> Row:
    id, event_id, topic, key, type, subject, source, said_at, traceparent, headers, value = record
    if headers is None:
        wire = encode(Envelope(event_id, type, source, subject, said_at, traceparent))
    else:
        wire = headers_from_json(headers)
    return Row(id, event_id, topic, key, said_at, wire, value)


def _observe(rows: Sequence[Row], now: datetime) -> None:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.topic] = counts.get(row.topic, 0) + 1
    for topic, count in counts.items():
        metrics.PUBLISHED.labels(topic).inc(count)
    oldest = min(row.time for row in rows)
    metrics.COMMIT_TO_PUBLISHED.observe((now - oldest.astimezone(UTC)).total_seconds())
