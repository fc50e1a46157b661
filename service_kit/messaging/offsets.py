"""Commits offsets to the broker after their records have taken effect, while the next records are handled."""

import asyncio
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from service_kit.failpoints import failpoint
from service_kit.waiting import passed

log = structlog.get_logger(__name__)

_COMMIT_SECONDS = 5.0
# Commits are rare, since one costs the broker as much as a group of events; the inbox recognises redelivered records.
_PAUSE_SECONDS = 0.25


class Offsets:
    """The offsets of one client. The first commit is immediate; a pause before each further one gathers offsets."""

    def __init__(self, client: AIOKafkaConsumer) -> None:
        self._client = client
        self._handled: dict[TopicPartition, int] = {}  # not yet committed
        self._committing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def handled(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Adds offsets to commit: all records before them have taken effect."""
        self._handled.update(offsets)
        if self._handled and (
            self._committing is None or (self._committing.done() and self._committing.exception() is None)
        ):
            self._committing = asyncio.create_task(self._commit())

    def check(self) -> None:
        """Raises the unexpected error of a commit, after which the client must be rebuilt."""
        if self._committing is not None and self._committing.done():
            self._committing.result()

    async def committed(self) -> None:
        """Waits until no commit is pending, so that the partitions can be revoked."""
        self._hurry.set()
        if self._committing is not None:
            await asyncio.wait([self._committing])
        self._hurry.clear()

    async def _commit(self) -> None:
        while self._handled:
            offsets, self._handled = self._handled, {}
            try:
                failpoint("offsets.before")
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await self._client.commit(offsets)
                failpoint("offsets.after")
            except (KafkaError, TimeoutError) as error:
                # The records may be read again; the inbox recognises them.
                log.info("offsets_not_committed", error=repr(error))
            await passed(self._hurry, _PAUSE_SECONDS)
