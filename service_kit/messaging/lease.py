"""The lease of the relay's work, for one process of a service at a time: a row with owner, epoch and expiry.

Only the database's clock decides about the expiry. A frozen process would keep an advisory lock while it is connected.
"""

import time
from typing import Any

from service_kit.database.statements import Statement

# This process may own the lease already, if it has lost its connection and with it the epoch.
_TAKE = Statement("""
    INSERT INTO outbox_lease AS lease (id, owner, epoch, expires_at)
    VALUES (1, :owner, 1, now() + make_interval(secs => :seconds))
    ON CONFLICT (id) DO UPDATE
    SET owner = :owner, epoch = lease.epoch + 1, expires_at = now() + make_interval(secs => :seconds)
    WHERE lease.expires_at < now() OR lease.owner = :owner
    RETURNING epoch
""")
_SEIZE = Statement("""
    INSERT INTO outbox_lease AS lease (id, owner, epoch, expires_at)
    VALUES (1, :owner, 1, now() + make_interval(secs => :seconds))
    ON CONFLICT (id) DO UPDATE
    SET owner = :owner, epoch = lease.epoch + 1, expires_at = now() + make_interval(secs => :seconds)
    RETURNING epoch
""")
_RENEW = Statement("""
    UPDATE outbox_lease SET expires_at = now() + make_interval(secs => :seconds)
    WHERE id = 1 AND owner = :owner AND epoch = :epoch
    RETURNING epoch
""")
_RELEASE = Statement(
    "UPDATE outbox_lease SET expires_at = '-infinity' WHERE id = 1 AND owner = :owner AND epoch = :epoch"
)


class Lease:
    """This process's claim on the relay's work. Each change of owner starts a new epoch."""

    def __init__(self, owner: str, seconds: float) -> None:
        self.owner = owner
        self.epoch: int | None = None
        self._seconds = seconds
        self._renewed = 0.0

    async def hold(self, connection: Any) -> bool:
        """Takes the lease, or renews it after a third of its time. Returns False while another process has it."""
        # The time is read before the statement, so that the lease is never assumed to be longer than in the database.
        now = time.monotonic()
        if self.epoch is not None and now - self._renewed < self._seconds / 3:
            return True
        if self.epoch is not None:
            self.epoch = await _RENEW.fetchval(connection, owner=self.owner, epoch=self.epoch, seconds=self._seconds)
        if self.epoch is None:
            self.epoch = await _TAKE.fetchval(connection, owner=self.owner, seconds=self._seconds)
        self._renewed = now
        return self.epoch is not None

    async def seize(self, connection: Any) -> None:
        """Takes the lease from whoever has it, for an operator's command. The former owner can mark nothing any more,
        so what it is still sending is repeated by the next one."""
        self._renewed = time.monotonic()
        self.epoch = await _SEIZE.fetchval(connection, owner=self.owner, seconds=self._seconds)

    async def release(self, connection: Any) -> None:
        """Lets another process take over at once."""
        if self.epoch is not None:
            await _RELEASE.execute(connection, owner=self.owner, epoch=self.epoch)
            self.epoch = None

    def forget(self) -> None:
        """Drops the epoch without a statement: another process has taken the lease, or the connection is lost."""
        self.epoch = None
