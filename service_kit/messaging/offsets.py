"""Commits offsets to the broker, after their records took effect, while the next ones are handled."""

import asyncio
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from service_kit.failpoints import failpoint
from service_kit.waiting import passed

log = structlog.get_logger(__name__)

_COMMIT_SECONDS = 5.0
# A commit costs the broker as much as a group of events; uncommitted records are redelivered, and deduplicated.
_PAUSE_SECONDS = 0.25


class Offsets:
    """The offsets of one client. The first commit is immediate, the next one a little later with all offsets since."""

    def __init__(self, client: AIOKafkaConsumer) -> None:
        self._client = client
        self._handled: dict[TopicPartition, int] = {}  # not yet committed
        self._committing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def handled(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Everything before these offsets has taken effect."""
        self._handled.update(offsets)
        if self._handled and (
            self._committing is None or (self._committing.done() and self._committing.exception() is None)
        ):
            self._committing = asyncio.create_task(self._commit())

    def check(self) -> None:
        """Raises the error of a failed commit, if the client must be rebuilt after it."""
        if self._committing is not None and self._committing.done():
            self._committing.result()

    async def committed(self) -> None:
        """Returns when everything is committed, so that the partitions can be revoked."""
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
                # The records will be read again; the inbox recognises them.
                log.info("offsets_not_committed", error=repr(error))
            await passed(self._hurry, _PAUSE_SECONDS)
