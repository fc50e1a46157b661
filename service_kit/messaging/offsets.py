"""Tells the broker how far a consumer has come, behind what has taken effect and beside what is handled next."""

import asyncio
import contextlib
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from service_kit.crashpoints import reach

log = structlog.get_logger(__name__)

_COMMIT_SECONDS = 5.0
# A commit costs the broker as much as a group of events; what a crash leaves untold comes again, and is told apart.
_PAUSE_SECONDS = 0.25


class Offsets:
    """Of one client, for as long as that lives. The first commit goes at once, the next a little later with all that
    came since."""

    def __init__(self, client: AIOKafkaConsumer) -> None:
        self._client = client
        self._handled: dict[TopicPartition, int] = {}  # not yet told
        self._telling: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def handled(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Everything before these offsets has taken effect."""
        self._handled.update(offsets)
        if self._handled and (self._telling is None or (self._telling.done() and self._telling.exception() is None)):
            self._telling = asyncio.create_task(self._tell())

    def check(self) -> None:
        """Raises what a commit failed with, if that makes the client one to throw away."""
        if self._telling is not None and self._telling.done():
            self._telling.result()

    async def told(self) -> None:
        """Returns when everything is committed: the partitions may go to another."""
        self._hurry.set()
        if self._telling is not None:
            await asyncio.wait([self._telling])
        self._hurry.clear()

    async def _tell(self) -> None:
        while self._handled:
            offsets, self._handled = self._handled, {}
            try:
                reach("offsets.before")
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await self._client.commit(offsets)
                reach("offsets.after")
            except (KafkaError, TimeoutError) as error:
                # The records will be read again; the inbox recognises them.
                log.info("offsets_not_committed", error=repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await self._hurry.wait()
