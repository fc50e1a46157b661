"""Jobs of every service, which delete rows that are not needed any more."""

from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter

from service_kit.database import Statement
from service_kit.jobs import Job
from service_kit.runtime import Runtime
from service_kit.security.revocations import LONGEST_TOKEN_LIFE
from service_kit.settings import ServiceSettings

# Reads the oldest rows only, so that its cost does not depend on the number of rows.
PRUNE_OUTBOX = Statement("""
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM (SELECT id, published_at FROM outbox ORDER BY id LIMIT 1000) AS oldest
        WHERE published_at < now() - :retention::interval)
""")
PRUNE_INBOX = Statement("""
    DELETE FROM inbox WHERE event_id IN (
        SELECT event_id FROM inbox WHERE received_at < now() - :retention::interval LIMIT 1000)
""")
PRUNE_IDEMPOTENCY_KEYS = Statement("DELETE FROM idempotency_keys WHERE created_at < now() - :retention::interval")
PRUNE_ENDED_SESSIONS = Statement("DELETE FROM ended_sessions WHERE ended_at < now() - :retention::interval")
# The inbox's times have a BRIN index, which needs bitmap scans; connections of the asyncpg pool disable these.
BY_BLOCKS = "SET LOCAL enable_bitmapscan = on"


def _job(table: str, statement: Statement, retention: Callable[[ServiceSettings], timedelta]) -> Job:
    async def prune(runtime: Runtime) -> bool:
        """Deletes in small transactions, so that locks are short. Returns True if there may be more to delete."""
        async with runtime.database.transaction() as tx:
            await tx.execute(BY_BLOCKS)
            return bool(await statement.execute(tx, retention=retention(runtime.settings)))

    return Job(f"prune-{table}", prune, every=timedelta(minutes=1))


JOBS = [
    _job("outbox", PRUNE_OUTBOX, attrgetter("outbox_retention")),
    _job("inbox", PRUNE_INBOX, attrgetter("inbox_retention")),
    _job("idempotency-keys", PRUNE_IDEMPOTENCY_KEYS, attrgetter("idempotency_retention")),
    _job("ended-sessions", PRUNE_ENDED_SESSIONS, lambda _: 2 * LONGEST_TOKEN_LIFE),
]
