"""Every service deletes rows that nothing will read again, and no others."""

from collections.abc import Sequence
from typing import Any

import pytest

from service_kit import housekeeping
from service_kit.http import application
from service_kit.jobs import Job
from service_kit.runtime import Runtime
from tests.harness.service import serve

# Each inserts one row, whose age is the interval `$1`.
OUTBOX = """
INSERT INTO outbox (event_id, topic, key, type, subject, source, time, value, published_at)
VALUES (gen_random_uuid(), 'users', '', 't', 's', '/x', now(), '', now() - $1::text::interval)
"""
INBOX = """
INSERT INTO inbox (event_id, topic, received_at) VALUES (gen_random_uuid(), 'users', now() - $1::text::interval)
"""
KEYS = """
INSERT INTO idempotency_keys (user_id, operation, key, body_hash, created_at)
VALUES (gen_random_uuid(), 'POST /orders', 'k', '', now() - $1::text::interval)
"""
SESSIONS = """
INSERT INTO ended_sessions (session_id, user_id, ended_at)
VALUES (gen_random_uuid(), gen_random_uuid(), now() - $1::text::interval)
"""
ROWS = {
    "prune-outbox": (OUTBOX, "25 hours"),
    "prune-inbox": (INBOX, "22 days"),
    "prune-idempotency-keys": (KEYS, "49 hours"),
    "prune-ended-sessions": (SESSIONS, "3 hours"),
}


@pytest.mark.parametrize("job", housekeeping.JOBS, ids=lambda job: job.name)
async def test_old_rows_are_deleted_and_recent_ones_stay(job: Any) -> None:
    insert, age = ROWS[job.name]
    table = insert.split()[2]
    async with serve("product_service") as served, served.runtime.database.connection() as connection:
        for each in (age, age, "10 minutes"):
            await connection.execute(insert, each)
        while await job.run(served.runtime):
            pass
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 1


async def test_an_unpublished_event_is_kept_however_old_it_is() -> None:
    insert, age = ROWS["prune-outbox"]
    [job] = [each for each in housekeeping.JOBS if each.name == "prune-outbox"]
    async with serve("product_service") as served, served.runtime.database.connection() as connection:
        await connection.execute(insert, age)
        await connection.execute("UPDATE outbox SET published_at = NULL, time = now() - interval '30 days'")
        await job.run(served.runtime)
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 1


async def test_every_service_runs_the_housekeeping_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[str] = []

    class Recording(Runtime):
        def __init__(self, *arguments: Any, jobs: Sequence[Job], **keywords: Any) -> None:
            composed.extend(job.name for job in jobs)
            super().__init__(*arguments, jobs=jobs, **keywords)

    monkeypatch.setattr(application, "Runtime", Recording)
    async with serve("product_service"):
        assert set(ROWS) <= set(composed)
