"""Marks events as published after the broker's acknowledgement, while the relay sends the next ones."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import structlog

from service_kit.database.statements import Statement, rows
from service_kit.failpoints import failpoint
from service_kit.messaging.lease import Lease
from service_kit.messaging.producer import Row
from service_kit.waiting import passed

log = structlog.get_logger(__name__)

# Marks only if the lease still has the epoch of publishing, and locks the lease until the marks are committed.
_MARK = Statement("""
    WITH lease AS MATERIALIZED (
        SELECT FROM outbox_lease WHERE id = 1 AND owner = :owner AND epoch = :epoch FOR SHARE
    )
    UPDATE outbox SET published_at = now() WHERE id = ANY (:ids::bigint[]) AND EXISTS (SELECT FROM lease)
""")
# For rows that this process published after another had taken over: its records may follow newer ones of their keys,
# and compaction keeps the last record. So the present owner has to publish those keys again from our first row on. It
# also has to repeat what it has sent and not marked yet, so the epoch is raised first, which ends its own.
RAISE_EPOCH = "UPDATE outbox_lease SET epoch = epoch + 1 WHERE id = 1"
_REPEAT_AFTER_US = Statement(f"""
    UPDATE outbox SET published_at = NULL
    FROM (SELECT topic, key, min(id) AS first
          FROM {rows("ours", Row, "topic", "key", "id")}
          GROUP BY topic, key) AS stale
    WHERE outbox.topic = stale.topic AND outbox.key = stale.key AND outbox.id >= stale.first
      AND published_at IS NOT NULL
""")  # noqa: S608 (no input in it)
# A pause collects marks, since a commit costs as much as sending a group. A crash repeats the unmarked events.
_PAUSE_SECONDS = 0.05


class Marks:
    """Events that were published and are not yet marked in the outbox, in the order of publishing.

    The first is marked at once, the next after a pause together with all that were added since. The list outlives a
    lost connection: what was sent under a lease that is lost by then must be repeated, however late.
    """

    def __init__(self, lease: Lease, most: int) -> None:
        """`most`: with more unmarked events, `room` waits."""
        self.last_written = time.monotonic()
        self._lease = lease
        self._most = most
        self._sent: deque[tuple[Sequence[Row], int | None]] = deque()
        self._count = 0
        self._added = asyncio.Event()
        self._hurry = asyncio.Event()
        self._written = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    def add(self, published: Sequence[Row], epoch: int | None) -> None:
        """Adds events that the broker acknowledged; they were sent under this epoch of the lease."""
        if published:
            self._sent.append((published, epoch))
            self._count += len(published)
            self._added.set()

    def unmarked(self) -> Iterator[Row]:
        return (row for group, _ in self._sent for row in group)

    @contextlib.asynccontextmanager
    async def connected_to(self, connection: Any, on_failure: Callable[[], None]) -> AsyncIterator[None]:
        """Marks in the background. After an error it calls `on_failure`, and `check` and `room` raise the error."""
        await self.write(connection)
        self._writer = asyncio.create_task(self._write_all(connection))
        self._writer.add_done_callback(lambda _: self._written.set())
        self._writer.add_done_callback(lambda _: on_failure())
        try:
            yield
        finally:
            self._writer.cancel()
            await asyncio.wait([self._writer])

    def check(self) -> None:
        if self._writer is not None and self._writer.done():
            self._writer.result()

    async def room(self) -> None:
        """Waits until at most `most` events are unmarked, since a crash would send all unmarked ones again."""
        self.check()
        while self._count > self._most:
            self._written.clear()
            self._hurry.set()
            await self._written.wait()
            self.check()

    async def finish(self) -> None:
        """Waits until all events are marked."""
        while self._sent:
            self._written.clear()
            self._hurry.set()
            await self._written.wait()
            self.check()

    async def write(self, connection: Any) -> None:
        """Marks all events in the list."""
        while self._sent:
            epoch, together = next(groupby(self._sent, key=itemgetter(1)))
            groups = [group for group, _ in together]
            published = [row for group in groups for row in group]
            await self.mark(connection, published, epoch)
            for _ in groups:  # others may be added meanwhile
                self._sent.popleft()
            self._count -= len(published)
        self._added.clear()

    async def mark(self, connection: Any, published: Sequence[Row], epoch: int | None) -> None:
        """Marks these events; if the lease was lost since they were sent, lets their keys be published again."""
        failpoint("mark.before")
        marked = await _MARK.execute(
            connection, ids=[row.id for row in published], owner=self._lease.owner, epoch=epoch
        )
        failpoint("mark.after")
        if not marked:
            log.warning("relay_lease_lost", events_in_flight=len(published))
            self._lease.forget()
            async with connection.transaction():
                await connection.execute(RAISE_EPOCH)
                await _REPEAT_AFTER_US.execute(connection, ours=published)
            return
        self.last_written = time.monotonic()

    async def _write_all(self, connection: Any) -> None:
        while True:
            await self._added.wait()
            await self.write(connection)
            self._written.set()
            await passed(self._hurry, _PAUSE_SECONDS)
            self._hurry.clear()
