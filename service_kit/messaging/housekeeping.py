"""Takes away what nobody will ask for again: published outbox rows, and inbox rows older than any topic's retention."""

import asyncio
import contextlib
from datetime import timedelta

import structlog

from service_kit.database.sessions import Database
from service_kit.database.statements import Statement
from service_kit.messaging.tuning import Tuning

log = structlog.get_logger(__name__)

# Looks at the oldest rows only, so that it costs the same however many are kept.
_PRUNE_OUTBOX = Statement("""
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM (SELECT id, published_at FROM outbox ORDER BY id LIMIT 1000) AS oldest
        WHERE published_at < now() - :retention::interval)
""")
PRUNE_INBOX = Statement("""
    DELETE FROM inbox WHERE event_id IN (
        SELECT event_id FROM inbox WHERE received_at < now() - :retention::interval LIMIT 1000)
""")
# The inbox's times have a BRIN index, which is read by bitmaps alone; hot connections make none.
BY_BLOCKS = "SET LOCAL enable_bitmapscan = on"
_EVERY = 60.0


class Housekeeping:
    def __init__(self, database: Database, tuning: Tuning) -> None:
        self._database = database
        self._tuning = tuning
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._prune(_PRUNE_OUTBOX, self._tuning.outbox_retention)
                await self._prune(PRUNE_INBOX, self._tuning.inbox_retention)
            except Exception as error:
                log.warning("housekeeping_failed", error=repr(error), retry_seconds=_EVERY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._stopping.wait()

    async def _prune(self, statement: Statement, retention: timedelta) -> None:
        """In small transactions, so that nobody waits for a large one."""
        while not self._stopping.is_set():
            async with self._database.transaction() as tx:
                await tx.execute(BY_BLOCKS)
                if not await statement.execute(tx, retention=retention):
                    return
