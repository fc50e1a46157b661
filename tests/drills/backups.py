"""Runs deploy/backup/backup.sh against the PostgreSQL server of a shop, as an operator would."""

import os
import shutil
import subprocess
import time
from datetime import datetime
from pathlib import Path

import psycopg2

from local_stack import ports
from local_stack.directories import let_through
from local_stack.environment import ROOT
from local_stack.postgres import HOST, SUPERUSER, EmbeddedPostgres, account, binaries
from local_stack.process import ChildProcess, as_user

SCRIPT = ROOT / "deploy" / "backup" / "backup.sh"
RECOVERED_WITHIN = 120.0


class Backups:
    """The backups of one server, in `directory`; so many base backups are `kept`."""

    kept = 7

    def __init__(self, server: EmbeddedPostgres, directory: Path) -> None:
        self.directory = directory
        self._server = server
        self._wal = ChildProcess("pg_receivewal", directory.with_suffix(".log"))
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        own(directory)

    def stream_log(self) -> None:
        """Starts to stream the write-ahead log; `stop` ends it."""
        self._wal.spawn(["sh", str(SCRIPT), "wal"], user=account(), env=self._environment())

    def stop(self) -> None:
        self._wal.stop()

    def base(self) -> str:
        """Takes a base backup, which the script verifies. Returns what it prints."""
        return self._run("base")

    def restore(self, moment: datetime, directory: Path) -> EmbeddedPostgres:
        """A new server, started and writable, with the data of that moment."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.parent.mkdir(parents=True, exist_ok=True)
        own(directory.parent)
        self._run("restore", moment.isoformat(), str(directory))
        [port] = ports.lease()
        restored = EmbeddedPostgres(directory, port, password=self._server.password)
        restored.start()
        wait_until_writable(restored)
        return restored

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            ["sh", str(SCRIPT), *command], capture_output=True, text=True, check=False, env=self._environment(),
            cwd="/", **as_user(account()),
        )  # fmt: skip
        assert done.returncode == 0, f"backup.sh {' '.join(command)}:\n{done.stdout}{done.stderr}"
        return str(done.stdout)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{binaries()}:{os.environ['PATH']}",
            "BACKUPS": str(self.directory),
            "BACKUPS_KEPT": str(self.kept),
            "PGHOST": HOST,
            "PGPORT": str(self._server.port),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self._server.password,
            "TZ": "UTC",
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
