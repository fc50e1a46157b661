"""Runs deploy/backup/backup.sh against the PostgreSQL server of a shop, as an operator would."""

import os
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg2

from local_stack import ports
from local_stack.directories import let_through
from local_stack.environment import ROOT
from local_stack.postgres import HOST, SUPERUSER, EmbeddedPostgres, account, binaries
from local_stack.process import ChildProcess, as_user

SCRIPT = ROOT / "deploy" / "backup" / "backup.sh"
RECOVERED_WITHIN = 120.0


class BackupFailed(Exception):
    """What the script printed."""


class Backups:
    """The backups of one server, in `directory`."""

    def __init__(self, server: EmbeddedPostgres, directory: Path, *, every: int = 86400, kept: int = 7) -> None:
        self.directory = directory
        self.schedule = ChildProcess("backup.sh", directory.with_suffix(".log"))
        self._server = server
        self._settings = {"BACKUPS": str(directory), "BACKUP_EVERY": str(every), "BACKUPS_KEPT": str(kept)}
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        own(directory)

    def start(self) -> None:
        """Starts the schedule, which goes on until `schedule` is stopped. Returns when the first backup is verified."""
        self.schedule.spawn(["sh", str(SCRIPT), "schedule"], user=account(), env=self._environment())
        self.schedule.wait_ready(lambda: bool(self.complete()), RECOVERED_WITHIN)

    def complete(self) -> list[str]:
        """The verified base backups, oldest first: each named by the first moment that it can restore."""
        return sorted(path.name for path in self.directory.glob("base/*Z"))

    def restore(self, moment: datetime | None, directory: Path) -> EmbeddedPostgres:
        """A new server, started and writable, with the data of that moment; None: of the end of the log."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.parent.mkdir(parents=True, exist_ok=True)
        own(directory.parent)
        written = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if moment else "latest"
        self.run("restore", written, str(directory))
        [port] = ports.lease()
        restored = EmbeddedPostgres(directory, port, password=self._server.password)
        restored.start()
        wait_until_writable(restored)
        return restored

    def run(self, *command: str) -> str:
        """What a command of the script prints. Raises: BackupFailed."""
        done = subprocess.run(
            ["sh", str(SCRIPT), *command], capture_output=True, text=True, check=False, env=self._environment(),
            cwd="/", **as_user(account()),
        )  # fmt: skip
        if done.returncode != 0:
            raise BackupFailed(f"backup.sh {' '.join(command)}:\n{done.stdout}{done.stderr}")
        return str(done.stdout)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{binaries()}:{os.environ['PATH']}",
            "PGHOST": HOST,
            "PGPORT": str(self._server.port),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self._server.password,
            **self._settings,
        }


def own(directory: Path) -> None:
    """Gives the directory to the account that the servers run as."""
    let_through(directory / "file")
    if user := account():
        os.chown(directory, user.pw_uid, user.pw_gid)


def wait_until_writable(server: EmbeddedPostgres) -> None:
    """Returns when the server has replayed the log and accepts writes."""
    deadline = time.monotonic() + RECOVERED_WITHIN
    while query(server, "SELECT pg_is_in_recovery()"):
        assert time.monotonic() < deadline, f"still in recovery. {server.last_output()}"
        time.sleep(0.1)


def query(server: EmbeddedPostgres, statement: str) -> object:
    """The first column of the first row, as the superuser."""
    connection = psycopg2.connect(server.superuser_url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]
    finally:
        connection.close()
