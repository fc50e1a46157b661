"""Backups are taken and verified without an operator, and a server is restored from them to any moment."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from local_stack.postgres import WITHOUT_DURABILITY, EmbeddedPostgres
from tests.drills.backups import BackupFailed, Backups, query

SECONDS = 30.0


@pytest.fixture
def server(server_directory: Path, free_port: int) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_directory / "postgres", free_port, settings=WITHOUT_DURABILITY)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def backups(server: EmbeddedPostgres, server_directory: Path) -> Iterator[Backups]:
    backups = Backups(server, server_directory / "backups", every=5, kept=2)
    yield backups
    backups.schedule.stop()


def _wait(what: str, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS:.0f} s"
        time.sleep(0.1)


def _moment(server: EmbeddedPostgres, backups: Backups) -> datetime:
    """A moment between two transactions, by the server's clock, that the last backup can restore."""

    def now() -> datetime:
        found = query(server, "SELECT clock_timestamp()")
        assert isinstance(found, datetime)
        return found.astimezone(UTC)

    _wait("the next second", lambda: f"{now():%Y%m%dT%H%M%SZ}" >= backups.complete()[-1])
    return now()


def _wait_until_streamed(server: EmbeddedPostgres) -> None:
    behind = "SELECT count(*) FROM pg_stat_replication WHERE pg_current_wal_lsn() <= write_lsn"
    _wait("pg_receivewal has the end of the log", lambda: query(server, behind))


def test_a_mistake_is_undone(server: EmbeddedPostgres, backups: Backups, server_directory: Path) -> None:
    query(server, "CREATE TABLE sold (id int)")
    backups.start()
    query(server, "INSERT INTO sold SELECT generate_series(1, 100)")
    moment = _moment(server, backups)
    query(server, "DELETE FROM sold")
    _wait_until_streamed(server)
    restored = backups.restore(moment, server_directory / "restored")
    try:
        assert query(restored, "SELECT count(*) FROM sold") == 100
        query(restored, "INSERT INTO sold VALUES (101)")
    finally:
        restored.kill()


def test_a_lost_server_is_restored_to_the_end_of_its_log(
    server: EmbeddedPostgres, backups: Backups, server_directory: Path
) -> None:
    query(server, "CREATE TABLE sold (id int)")
    backups.start()
    query(server, "INSERT INTO sold SELECT generate_series(1, 100)")
    _wait_until_streamed(server)
    server.kill()
    restored = backups.restore(None, server_directory / "restored")
    try:
        assert query(restored, "SELECT count(*) FROM sold") == 100
    finally:
        restored.kill()


def test_the_schedule_takes_backups_and_deletes_the_oldest_with_their_log(
    server: EmbeddedPostgres, backups: Backups
) -> None:
    backups.start()
    [first] = backups.complete()
    query(server, "SELECT pg_switch_wal()")
    _wait("two newer backups, and no other", lambda: len(backups.complete()) == 2 and first not in backups.complete())
    # The line is printed when older ones are deleted with their log.
    _wait("the line of the last one", lambda: f"{backups.complete()[-1]}" in backups.schedule.last_output())
    label = (backups.directory / "base" / backups.complete()[0] / "backup_label").read_text()
    needed_from = label.partition("(file ")[2].partition(")")[0]
    log = sorted(path.name[:24] for path in (backups.directory / "wal").iterdir())
    assert log[0] == needed_from


def test_a_restarted_schedule_waits_until_a_backup_is_due(server: EmbeddedPostgres, server_directory: Path) -> None:
    backups = Backups(server, server_directory / "backups", every=3600)
    try:
        for _ in range(2):
            backups.start()
            _wait("the log is streamed", lambda: query(server, "SELECT count(*) FROM pg_stat_replication"))
            backups.schedule.stop()
            _wait("streaming ends", lambda: not query(server, "SELECT count(*) FROM pg_stat_replication"))
        assert len(backups.complete()) == 1
    finally:
        backups.schedule.stop()


def test_the_schedule_ends_when_the_log_is_not_streamed(backups: Backups) -> None:
    """So that whatever runs it notices, and starts both again."""
    backups.start()
    argument = f"--directory={backups.directory}/wal"
    [receiver] = [each for each in psutil.process_iter(["cmdline"]) if argument in (each.info["cmdline"] or ())]
    receiver.kill()
    _wait("the schedule ends", lambda: not backups.schedule.is_running())


def test_a_damaged_backup_is_not_restored(server: EmbeddedPostgres, backups: Backups, server_directory: Path) -> None:
    query(server, "CREATE TABLE sold (id int)")
    backups.run("base")
    file = query(server, "SELECT pg_relation_filepath('pg_class')")
    [backup] = backups.complete()
    with (backups.directory / "base" / backup / str(file)).open("r+b") as stored:
        stored.write(b"damaged")
    with pytest.raises(BackupFailed, match=f"{backup} is damaged"):
        backups.restore(None, server_directory / "restored")


def test_a_moment_before_the_first_backup_is_rejected(backups: Backups, server_directory: Path) -> None:
    backups.run("base")
    with pytest.raises(BackupFailed, match="no base backup was complete at 2020-01-01"):
        backups.restore(datetime(2020, 1, 1, tzinfo=UTC), server_directory / "restored")


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-29 13:59:00", "2026-11-29T13:59:00+01:00", "'; DROP"])
def test_a_moment_that_is_not_in_utc_is_rejected(server_directory: Path, free_port: int, moment: str) -> None:
    backups = Backups(EmbeddedPostgres(server_directory / "postgres", free_port), server_directory / "backups")
    with pytest.raises(BackupFailed, match="write the moment in UTC, such as 2026-11-29T13:59:00Z"):
        backups.run("restore", moment, str(server_directory / "restored"))


def test_an_existing_directory_is_not_restored_over(server_directory: Path, free_port: int) -> None:
    backups = Backups(EmbeddedPostgres(server_directory / "postgres", free_port), server_directory / "backups")
    with pytest.raises(BackupFailed, match="name a new data directory"):
        backups.run("restore", "latest", str(server_directory))
