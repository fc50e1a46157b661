"""Retries failed events. Every replica does this; a lock on the row decides which one tries an event."""

from collections.abc import Mapping

import structlog

from service_kit.database.faults import may_be_retried
from service_kit.database.sessions import Database
from service_kit.messaging import metrics, outbox, retry_queue
from service_kit.messaging.incoming import read
from service_kit.messaging.processing import Abandoned, Processor
from service_kit.messaging.spans import Consuming
from service_kit.messaging.subscriptions import Subscription
from service_kit.messaging.tuning import Tuning
from service_kit.queue import Outcome
from service_kit.waiting import passed

log = structlog.get_logger(__name__)


class HandlerMissing(Exception):
    """This code no longer handles the event's type."""


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
        """Lets `run` return after the current event."""
        self._processor.interrupted.set()

    async def run(self) -> None:
        stopping = self._processor.interrupted
        while not stopping.is_set():
            worked = False
            try:
                worked = await self._round()
            except Abandoned:
                return
            except Exception as error:
                log.warning("retry_queue_failed", error=repr(error))
            if not worked:
                await passed(stopping, self._tuning.poll_seconds)

    async def _round(self) -> bool:
        async with self._database.connection() as connection:
            found = await retry_queue.due(connection)
        for id, topic in found:
            if self._processor.interrupted.is_set():
                raise Abandoned
            await self._try(id, topic)
        return bool(found)

    async def _try(self, id: int, topic: str) -> None:
        """Handles an event and deletes its row in one transaction, so that it takes effect once."""
        subscription = self._subscriptions.get(topic)
        taken: list[retry_queue.Taken] = []

        async def work() -> None:
            taken.clear()
            async with (
                Consuming(topic) as consuming,
                self._database.transaction() if subscription is None else self._processor.begin(subscription) as tx,
            ):
                mine = await retry_queue.lock(tx, id)
                if mine is None:
                    return
                taken.append(mine)
                incoming = read(mine.record, subscription, self._own_source) if subscription else None
                if incoming is None:
                    raise HandlerMissing
                if incoming.handler.event.terminal and (superseded := await retry_queue.supersede(tx, id)):
                    log.warning("events_superseded", id=id, topic=topic, count=superseded)
                [incoming] = consuming.of([incoming])
                await incoming.handler.call(tx, [incoming.event], [incoming.envelope])
                await retry_queue.done(tx, id)

        try:
            await self._processor.attempt(work)
        except Abandoned:
            raise
        except Exception as error:
            if not taken:
                raise  # the event was not handled, so this does not count as an attempt
            reason = f"{type(error).__name__}: {error}"
            log.warning("retry_failed", id=id, topic=topic, reason=reason)
            outcome = self._tuning.backoff.outcome(taken[0], reason, counts=not may_be_retried(error))
            await self._processor.attempt(lambda: self._settle(outcome))

    async def _settle(self, outcome: Outcome[retry_queue.Taken]) -> None:
        record, attempts = outcome.row.record, outcome.row.attempts + 1
        async with self._database.transaction() as tx:
            if not await retry_queue.settle(tx, outcome):
                return
            await outbox.add_dead_letter(tx, record, error=outcome.error or "", attempts=attempts)
        metrics.DEAD.labels(record.topic, "attempts").inc()
        log.error("event_dead_lettered", id=outcome.row.id, topic=record.topic, attempts=attempts, reason=outcome.error)
