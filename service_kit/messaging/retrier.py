"""Tries parked events again. Every replica does; a lock on the row decides which of them."""

import asyncio
import contextlib
from collections.abc import Mapping

import structlog

from service_kit.database.doors import Database
from service_kit.database.faults import may_be_retried
from service_kit.messaging import metrics, outbox, parked
from service_kit.messaging.incoming import Record, read
from service_kit.messaging.processing import Abandoned, Processor
from service_kit.messaging.subscriptions import Subscription
from service_kit.messaging.tuning import Tuning

log = structlog.get_logger(__name__)


class HandlerMissing(Exception):
    """This code no longer handles the type that was parked."""


class Retrier:
    def __init__(
        self, database: Database, subscriptions: Mapping[str, Subscription], own_source: str, tuning: Tuning
    ) -> None:
        self._database = database
        self._subscriptions = subscriptions
        self._own_source = own_source
        self._tuning = tuning
        self._processor = Processor(database, own_source, tuning)

    def stop(self) -> None:
        """Ends with the event in hand."""
        self._processor.give_up.set()

    async def run(self) -> None:
        stopping = self._processor.give_up
        while not stopping.is_set():
            worked = False
            try:
                worked = await self._round()
            except Abandoned:
                return
            except Exception as error:
                log.warning("retry_queue_failed", error=repr(error))
            if not worked:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._tuning.poll_seconds):
                        await stopping.wait()

    async def _round(self) -> bool:
        async with self._database.hot() as connection:
            found = await parked.due(connection)
        for id, topic in found:
            if self._processor.give_up.is_set():
                raise Abandoned
            await self._try(id, topic)
        return bool(found)

    async def _try(self, id: int, topic: str) -> None:
        """The effects and the row's deletion are one transaction, so the event takes effect once."""
        subscription = self._subscriptions.get(topic)
        taken: list[tuple[Record, int]] = []

        async def work() -> None:
            taken.clear()
            async with self._database.hot_tx() if subscription is None else self._processor.door(subscription) as tx:
                mine = await parked.take(tx, id)
                if mine is None:
                    return
                taken.append(mine)
                incoming = read(mine[0], subscription, self._own_source) if subscription else None
                if incoming is None:
                    raise HandlerMissing
                if incoming.handler.event.last_word and (void := await parked.make_void(tx, id)):
                    log.warning("events_superseded", id=id, topic=topic, count=void)
                await incoming.handler.call(tx, [incoming.event], [incoming.envelope])
                await parked.done(tx, id)

        try:
            await self._processor.attempt(work)
        except Abandoned:
            raise
        except Exception as error:
            if not taken:
                raise  # not the event's fault: it was never in our hands
            reason, (record, attempts) = f"{type(error).__name__}: {error}", taken[0]
            log.warning("retry_failed", id=id, topic=topic, reason=reason)
            if may_be_retried(error):
                await self._processor.attempt(lambda: self._postpone(id, attempts, reason))
            else:
                await self._processor.attempt(lambda: self._count(id, record, attempts, reason))

    async def _postpone(self, id: int, attempts: int, reason: str) -> None:
        async with self._database.hot() as connection:
            await parked.postponed(connection, id, reason, wait=self._wait(attempts))

    async def _count(self, id: int, record: Record, attempts: int, reason: str) -> None:
        dead = attempts + 1 >= self._tuning.attempts
        async with self._database.hot_tx() as tx:
            if not await parked.failed(tx, id, attempts, reason, wait=self._wait(attempts), dead=dead) or not dead:
                return
            await outbox.add_dead_letter(
                tx, topic=record.topic, partition=record.partition, offset=record.offset, key=record.key,
                headers=record.headers, value=record.value, error=reason, attempts=attempts + 1,
            )  # fmt: skip
        metrics.DEAD.labels(record.topic, "attempts").inc()
        log.error("event_dead_lettered", id=id, topic=record.topic, attempts=attempts + 1, reason=reason)

    def _wait(self, attempts: int) -> float:
        return min(self._tuning.first_retry * 2.0**attempts, self._tuning.longest_retry)
