"""A database for each test, copied from one that was migrated once."""

import fcntl
import os
import secrets

from sqlalchemy import make_url

from local_stack.postgres import administration
from service_kit.database import migrations
from tests.harness.servers import POSTGRES, run_directory


def new_database(service: str | None = None) -> str:
    """The URL of a database that nobody else uses: migrated as `service` (`order_service`) has it, or empty."""
    server = os.environ[POSTGRES]
    name = f"test_{secrets.token_hex(6)}"
    template = _template(server, service) if service else "template0"
    with administration(server) as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    with administration(os.environ[POSTGRES]) as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")


def _template(server: str, service: str) -> str:
    """Migrated by the first test process that needs it, while the others wait."""
    name = f"template_{service}"
    with (run_directory() / f"{name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not lock.read():
            with administration(server) as cursor:
                cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            migrations.upgrade(service, make_url(server).set(database=name).render_as_string(hide_password=False))
            lock.write("made")
    return name
