"""A backup is taken and verified, and a server is restored from it to the moment before a mistake."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local_stack.postgres import EmbeddedPostgres
from tests.drills.backups import Backups, query

WAL_SECONDS = 30.0


@pytest.fixture
def server(server_directory: Path, free_port: int) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_directory / "postgres", free_port)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def backups(server: EmbeddedPostgres, server_directory: Path) -> Iterator[Backups]:
    backups = Backups(server, server_directory / "backups")
    backups.stream_log()
    yield backups
    backups.stop()


def _now(server: EmbeddedPostgres) -> datetime:
    """The moment between two transactions, by the server's clock."""
    now = query(server, "SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return now.astimezone(UTC)


def _wait_until_streamed(server: EmbeddedPostgres) -> None:
    deadline = time.monotonic() + WAL_SECONDS
    behind = "SELECT count(*) FROM pg_stat_replication WHERE pg_current_wal_lsn() <= write_lsn"
    while not query(server, behind):
        assert time.monotonic() < deadline, "pg_receivewal does not follow"
        time.sleep(0.1)


def test_a_mistake_is_undone(server: EmbeddedPostgres, backups: Backups, server_directory: Path) -> None:
    query(server, "CREATE TABLE sold (id int)")
    assert backups.base().startswith("verified:")
    query(server, "INSERT INTO sold SELECT generate_series(1, 100)")
    moment = _now(server)
    query(server, "DELETE FROM sold")
    _wait_until_streamed(server)
    restored = backups.restore(moment, server_directory / "restored")
    try:
        assert query(restored, "SELECT count(*) FROM sold") == 100
        query(restored, "INSERT INTO sold VALUES (101)")
    finally:
        restored.kill()


def test_a_moment_before_the_first_backup_is_refused(backups: Backups, server_directory: Path) -> None:
    backups.base()
    with pytest.raises(AssertionError, match="no base backup is older than"):
        backups.restore(datetime(2020, 1, 1, tzinfo=UTC), server_directory / "restored")


def test_old_backups_and_their_log_are_deleted(backups: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "kept", 1)
    for _ in range(2):
        backups.base()
        time.sleep(1.1)  # a backup is named by the second of its end
    assert len(list((backups.directory / "base").iterdir())) == 1
