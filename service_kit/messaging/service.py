"""`Messaging` composes, starts and stops all parts of messaging in a service."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

import structlog

from contracts.topics import PAYMENT_STATUS
from service_kit.database.sessions import Database
from service_kit.messaging.connection import KafkaConnection
from service_kit.messaging.consumer import Consumer
from service_kit.messaging.health import MessagingHealth
from service_kit.messaging.processing import Processor
from service_kit.messaging.producer import Producer
from service_kit.messaging.relay import Relay
from service_kit.messaging.retrier import Retrier
from service_kit.messaging.subscriptions import Consumers, gather
from service_kit.messaging.tuning import Tuning
from service_kit.messaging.waker import Waker
from service_kit.messaging.watchdog import Watchdog
from service_kit.settings import ServiceSettings

log = structlog.get_logger(__name__)


class Messaging:
    """Relay, consumer, retries and their watchdog; with the role `api` it only wakes the relay of another process.

    Starting needs neither broker nor database: each part connects in the background and keeps trying.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        consumers: Sequence[Consumers] = (),
        tuning: Tuning | None = None,
    ) -> None:
        outside_sources = {PAYMENT_STATUS.name: settings.trusted_payment_sources}
        # In every role, so that a wrong handler prevents the start of each of them.
        self.subscriptions = gather(consumers, outside_sources)
        stop_seconds = settings.stop_seconds * 0.6
        self.tuning = tuning or Tuning(
            backoff=replace(Tuning.backoff, attempts=settings.event_attempts),
            stop_seconds=stop_seconds,
        )
        self._settings = settings
        self._database = database
        self._works = settings.service_role != "api"
        self._tasks: list[asyncio.Task[None]] = []
        self._compose()

    def _compose(self) -> None:
        settings, tuning = self._settings, self.tuning
        kafka, prefix = KafkaConnection.of(settings), settings.kafka_topic_prefix
        source = f"/{settings.service_name}"
        self.relay = Relay(self._database, Producer(kafka, prefix, tuning.send_timeout), tuning)
        self.processor = Processor(self._database, source, tuning)
        self.consumer = Consumer(settings, self.subscriptions, self.processor, tuning) if self.subscriptions else None
        self.retrier = Retrier(self._database, self.subscriptions, source, tuning)
        self.watchdog = Watchdog(kafka, self._database, self.relay, self.consumer, tuning)
        self._waker = Waker(self._database, self.relay.wake)

    async def start(self) -> None:
        self._database.on_events_committed.append(self._waker.wake)
        if not self._works:
            return
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "relay": self.relay.run,
            "retrier": self.retrier.run,
            "watchdog": self.watchdog.run,
        }
        if self.consumer is not None:
            parts["consumer"] = self.consumer.run
        self._tasks = [asyncio.create_task(_keep_running(name, run), name=name) for name, run in parts.items()]

    async def stop(self) -> None:
        """Lets work in progress finish: consumers first, so that the relay still publishes their last events."""
        if self._tasks:
            by_name = {task.get_name(): task for task in self._tasks}
            relay = by_name.pop("relay")
            for part in (self.consumer, self.retrier, self.watchdog):
                if part is not None:
                    part.stop()
            await _end(by_name.values(), within=self.tuning.stop_seconds * 2 / 3)
            self.relay.stop()
            await _end([relay], within=self.tuning.stop_seconds / 3)
            self._tasks = []
        await self._waker.stop()
        with contextlib.suppress(ValueError):  # it was stopped before, or never started
            self._database.on_events_committed.remove(self._waker.wake)

    def readiness(self) -> str:
        """`ok`, or what is wrong. Only a worker is checked, since it is useless while it can't consume or publish; an
        API can serve requests nevertheless."""
        if self._settings.service_role != "worker":
            return "ok"
        health = self.watchdog.health
        if health.relay is not None and health.relay.blocked_keys:
            return f"the broker rejects records of {health.relay.blocked_keys} keys; those keys wait"
        return "ok" if health.ok else "; ".join(health.problems)

    async def health(self) -> MessagingHealth:
        """The watchdog's last result, which is at most a few seconds old."""
        if not self._works:
            return MessagingHealth(ok=True, broker_reachable=None)
        return self.watchdog.health


async def _keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Runs a part until it is stopped. A part that raises has a bug, and is restarted."""
    while True:
        try:
            return await run()
        except Exception:
            log.exception("task_failed", task=name)
            await asyncio.sleep(1)


async def _end(tasks: Iterable[asyncio.Task[None]], within: float) -> None:
    """Waits for parts to end, and cancels the rest after `within` seconds. That is like a crash, so nothing is lost."""
    running = list(tasks)
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=within)
    for task in late:
        log.warning("task_cancelled", task=task.get_name(), after_seconds=within)
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
