"""Handles a batch of records in one transaction, or after an error in one per event; failures are queued for retry."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import structlog

from service_kit.clock import utcnow
from service_kit.database.faults import database_is_unavailable, is_lock_timeout, may_be_retried
from service_kit.database.sessions import AnySession, Database
from service_kit.failpoints import failpoint
from service_kit.messaging import inbox, metrics, outbox, retry_queue
from service_kit.messaging.envelope import Record
from service_kit.messaging.incoming import Incoming, groups, newest, sort
from service_kit.messaging.spans import Consuming
from service_kit.messaging.subscriptions import Subscription
from service_kit.messaging.tuning import Tuning

log = structlog.get_logger(__name__)

_FREE_RETRIES = 10  # without being queued for retry
# An event that waits for a lock delays others, so it is queued for retry sooner.
_FREE_RETRIES_FOR_A_LOCK = 1


class Abandoned(Exception):
    """Processing stops: partitions are revoked, or the process stops. No offset is committed."""


class Processor:
    """Runs handlers. When it returns, every record was handled, skipped, queued for retry or dead-lettered."""

    def __init__(self, database: Database, own_source: str, tuning: Tuning) -> None:
        self.paused_why: str | None = None
        self.interrupted = asyncio.Event()
        self.on_handled: list[Callable[[str], None]] = []
        """Called with the topic's name after each committed batch."""
        self._database = database
        self._own_source = own_source
        self._tuning = tuning

    async def process(self, subscription: Subscription, records: Sequence[Record]) -> None:
        """Handles all of a topic's records, each partition's in order."""
        found = sort(records, subscription, self._own_source)
        if found.unreadable:
            await self.attempt(lambda: self._dead_letter_unreadable(subscription.topic.name, found.unreadable))
        if not found.wanted:
            return
        try:
            await self.attempt(lambda: self._handle(subscription, found.wanted))
        except Abandoned:
            raise
        except Exception as error:
            log.warning("batch_failed", topic=subscription.topic.name, events=len(found.wanted), error=repr(error))
            for incoming in found.wanted:
                await self._handle_alone(subscription, incoming)

    async def attempt(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work`, and repeats it while its error is transient; raises every other error.

        It waits without limit while the database is unavailable. Deadlocks, serialization failures and lost connections
        are retried a limited number of times, since a handler may raise such an error by itself.
        """
        retries = 0
        while True:
            try:
                return await work()
            except Abandoned:
                raise
            except Exception as error:
                if await self._waited_for_database(error):
                    continue
                most = _FREE_RETRIES_FOR_A_LOCK if is_lock_timeout(error) else _FREE_RETRIES
                if not (may_be_retried(error) or database_is_unavailable(error)) or retries >= most:
                    raise
                retries += 1
                await self._pause(random.uniform(0.005, 0.02) * 2 ** min(retries, 5))

    def begin(self, subscription: Subscription) -> AbstractAsyncContextManager[Any]:
        return self._database.transaction() if subscription.in_transaction else self._database.session()

    async def _handle(self, subscription: Subscription, batch: Sequence[Incoming]) -> None:
        """One transaction: claims the events, queues those whose key waits for a retry, handles the rest."""
        topic = subscription.topic.name
        async with Consuming(topic) as consuming, self.begin(subscription) as tx:
            fresh, waiting = await self._claim(tx, subscription, batch)
            behind = [incoming for incoming in fresh if incoming.record.key in waiting] if waiting else []
            free = [incoming for incoming in fresh if incoming.record.key not in waiting] if waiting else fresh
            if behind:
                await retry_queue.enqueue(tx, behind)
            # Grouped by function: one that handles several types of a topic gets them together, and locks once.
            for _, part in groups([(each.record.key, each.handler.function, each) for each in consuming.of(free)]):
                handler = part[0].handler
                given = newest(part) if subscription.topic.compacted and handler.batch else part
                await handler.call(tx, [each.event for each in given], [each.envelope for each in given])
            failpoint("inbox.before")
        failpoint("inbox.after")
        for call in self.on_handled:
            call(topic)
        _count(topic, behind, free)
        if len(fresh) < len(batch):
            metrics.SKIPPED.labels(topic, "duplicate").inc(len(batch) - len(fresh))

    async def _claim(
        self, tx: AnySession, subscription: Subscription, batch: Sequence[Incoming]
    ) -> tuple[list[Incoming], set[bytes]]:
        """Claims the events. Returns the new ones, and those of their keys that have events in the retry queue."""
        topic, keys = subscription.topic, {incoming.record.key for incoming in batch}
        if topic.compacted:  # handlers compare versions; ids of snapshots would have to stay in the inbox for ever
            return list(batch), await retry_queue.waiting_keys(tx, topic.name, keys)
        ids = [incoming.envelope.id for incoming in batch]
        claimed, waiting = await inbox.claim_and_find_waiting(tx, topic.name, ids, keys)
        if len(claimed) == len(batch):
            return list(batch), waiting
        fresh = []
        for incoming in batch:
            if incoming.envelope.id in claimed:
                claimed.remove(incoming.envelope.id)  # a second one in the batch is a duplicate
                fresh.append(incoming)
        # Read again: the claim may have waited for a transaction that queued the key for retry.
        return fresh, await retry_queue.waiting_keys(tx, topic.name, keys)

    async def _handle_alone(self, subscription: Subscription, incoming: Incoming) -> None:
        try:
            await self.attempt(lambda: self._handle(subscription, [incoming]))
        except Abandoned:
            raise
        except Exception as error:
            log.exception("event_failed", event_id=incoming.envelope.id, event_type=incoming.envelope.type)
            reason = f"{type(error).__name__}: {error}"
            await self.attempt(lambda: self._queue_for_retry(subscription, incoming, reason))

    async def _queue_for_retry(self, subscription: Subscription, incoming: Incoming, reason: str) -> None:
        """Claims the event as well, so that its redelivery is a duplicate: the retry queue handles it from now on."""
        topic = subscription.topic.name
        async with self._database.transaction() as tx:
            fresh, _ = await self._claim(tx, subscription, [incoming])
            if not fresh:
                return
            await retry_queue.enqueue(tx, [incoming], failed=reason, wait=self._tuning.backoff.wait(0))
        metrics.QUEUED_FOR_RETRY.labels(topic).inc()

    async def _dead_letter_unreadable(self, topic: str, unreadable: Sequence[tuple[Record, str]]) -> None:
        """Adds a dead letter for each record. Its inbox id is made of partition and offset, since it may have none."""
        ids = {
            uuid5(NAMESPACE_URL, f"{topic}/{record.partition}/{record.offset}"): (record, why)
            for record, why in unreadable
        }
        async with self._database.transaction() as tx:
            claimed = await inbox.claim(tx, topic, list(ids))
            for id in sorted(claimed, key=lambda each: ids[each][0].offset):
                record, why = ids[id]
                log.error("event_unreadable", topic=topic, partition=record.partition, offset=record.offset, reason=why)
                await outbox.add_dead_letter(tx, record, error=why, attempts=1)
        metrics.DEAD.labels(topic, "unreadable").inc(len(claimed))

    async def _waited_for_database(self, error: Exception) -> bool:
        """Waits until the database answers. Returns False if it does at once: `error` alone can't show an outage."""
        pause, unavailable = 0.1, False
        while not await self._database_answers():
            unavailable = True
            if self.paused_why is None:
                log.warning("database_unavailable", error=repr(error))
            self.paused_why = "database away"
            await self._pause(pause)
            pause = min(pause * 2, 2.0)
        self.paused_why = None
        return unavailable

    async def _database_answers(self) -> bool:
        try:
            async with asyncio.timeout(15), self._database.connection() as connection:
                await connection.fetchval("SELECT 1")
        except Exception:
            return False
        return True

    async def _pause(self, seconds: float) -> None:
        """Sleeps. Raises: Abandoned, when partitions are revoked or the process stops."""
        try:
            async with asyncio.timeout(seconds):
                await self.interrupted.wait()
        except TimeoutError:
            return
        raise Abandoned


def _count(topic: str, behind: Sequence[Incoming], handled: Sequence[Incoming]) -> None:
    if behind:
        metrics.QUEUED_FOR_RETRY.labels(topic).inc(len(behind))
    if handled:
        oldest = min(incoming.envelope.time for incoming in handled)
        metrics.EVENT_AGE.labels(topic).observe((utcnow() - oldest).total_seconds())
    for type, count in Counter(incoming.envelope.type for incoming in handled).items():
        metrics.CONSUMED.labels(topic, type).inc(count)
