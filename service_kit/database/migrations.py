"""Runs Alembic, with one configuration for all packages: their folders `migrations/` contain revisions only."""

import importlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import psycopg2.errors
import structlog
from alembic import command, context, op
from alembic.autogenerate import compare_metadata
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, create_engine, make_url, pool, text
from sqlalchemy.exc import OperationalError
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from service_kit.audit import pruning
from service_kit.database import roles
from service_kit.database.adoption import adopt, revision_of
from service_kit.database.base import add_kit_tables, service_registry
from service_kit.database.revisions import FIRST, KIT, VERSION_TABLES, Lineage, lineages, number
from service_kit.database.tls import Tls

log = structlog.get_logger(__name__)
LOCK = 0x6D617274  # any number that all migrating processes share
LOCK_TIMEOUT = timedelta(seconds=2)
PATIENCE = timedelta(minutes=10)


class StillLocked(Exception):
    """Other transactions held the locks that a migration needs for all of `PATIENCE`."""

    def __init__(self, service: str) -> None:
        super().__init__(
            f"The database of {service} was not migrated: another transaction has locked a table for {PATIENCE} that a "
            "migration changes. The migrations before it are applied, it is not. Look for the oldest xact_start in "
            "pg_stat_activity, end that transaction, and migrate again."
        )


def upgrade(service: str, url: str, *, tls: Tls | None = None, serving_role: str | None = None) -> None:
    """Migrates the database to the newest revisions of the kit and of the service, each migration in a transaction of
    its own. Several processes may call it at once: one migrates, the others wait.

    A migration waits for a lock for at most `LOCK_TIMEOUT`, since the services' statements queue up behind it; then it
    lets them pass and begins again. A lineage that a later release has migrated is not changed, so that a process of
    the earlier release can restart. `serving_role` is granted what serving needs, if `url` is the owner's.
    Raises: `adoption.TooOld`, without any change; StillLocked.
    """
    until = time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            _upgrade(service, url, tls, serving_role)
        except OperationalError as error:
            if not isinstance(error.orig, psycopg2.errors.LockNotAvailable):
                raise
            if time.monotonic() > until:
                raise StillLocked(service) from error
            log.warning("migration_waits_for_a_lock", service=service, seconds=LOCK_TIMEOUT.total_seconds())
            time.sleep(LOCK_TIMEOUT.total_seconds())
        else:
            return


def _upgrade(service: str, url: str, tls: Tls | None, serving_role: str | None) -> None:
    with _locked(url, tls) as connection:
        with connection.begin():
            adopt(connection, service, {each: config(each, connection) for each in lineages(service)})
            behind = [each for each in lineages(service) if not _has_head(connection, each)]
        for lineage in behind:
            command.upgrade(config(lineage, connection), "head")
        if serving_role is not None:
            with connection.begin():
                roles.grant(connection, serving_role)


def make(service: str, url: str, message: str, *, of_kit: bool = False, tls: Tls | None = None) -> None:
    """Writes a revision of the service, or of the kit, from the difference between the models and the database at
    `url`, which it migrates first."""
    upgrade(service, url, tls=tls)
    kit, own = lineages(service)
    lineage = kit if of_kit else own
    next_number = f"{number(lineage.head) + 1 if lineage.head else FIRST:04}"
    with _locked(url, tls) as connection:
        made = command.revision(config(lineage, connection), message, autogenerate=True, rev_id=next_number)
    for script in made if isinstance(made, list) else [made]:
        if script is not None:
            _tidy(Path(script.path))


def _tidy(revision: Path) -> None:
    """Removes the comments that Alembic generates."""
    lines = [line for line in revision.read_text().splitlines(keepends=True) if "###" not in line]
    revision.write_text("".join(lines))


def differences(service: str, url: str, tls: Tls | None = None) -> list[str]:
    """The differences between the models and the migrated database at `url`; empty when the migrations are current."""
    upgrade(service, url, tls=tls)
    options = {"compare_type": True, "compare_server_default": True, "include_name": _is_no_version_table}
    with _engine(url, tls).connect() as connection:
        migration = MigrationContext.configure(connection, opts=options)
        return [str(difference) for difference in compare_metadata(migration, _metadata(service))]


def _is_no_version_table(name: str | None, kind: str, _: Any) -> bool:
    return kind != "table" or name not in VERSION_TABLES


def in_order(lineage: Lineage) -> list[str]:
    """All revisions as Alembic would apply them."""
    return [script.revision for script in ScriptDirectory.from_config(config(lineage)).walk_revisions()][::-1]


def prune_audit_log(url: str, retention: timedelta, *, tls: Tls | None = None) -> int:
    """Deletes entries of the audit log older than `retention`, and returns their number; `url` is the owner's."""
    return pruning.prune(_engine(url, tls), retention)


def is_current(service: str, url: str, *, tls: Tls | None = None, serving_role: str | None = None) -> bool:
    """Whether the database has each lineage's newest revision or a later one, and the serving role its privileges;
    False if it was never migrated."""
    with _engine(url, tls).connect() as connection:
        if not all(_has_head(connection, lineage) for lineage in lineages(service)):
            return False
        return serving_role is None or roles.may_serve(connection, serving_role)


def _has_head(connection: Connection, lineage: Lineage) -> bool:
    """Whether the database has the lineage's newest revision or a later one."""
    return lineage.head is not None and number(revision_of(connection, lineage)) >= number(lineage.head)


def needs_code(revision: str) -> None:
    """Call it in a migration that removes what older code uses: processes whose code lacks `revision` of the same
    lineage become not ready. The migration's `downgrade` calls it with the revision before."""
    table = op.get_context().version_table
    op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS least_code varchar(32)")
    op.execute(text(f"UPDATE {table} SET least_code = :revision").bindparams(revision=revision))  # noqa: S608


def create_index_concurrently(name: str, table: str, columns: Sequence[str], **options: Any) -> None:
    """Call it in a migration that does nothing else: builds an index while rows are written, outside a transaction.

    What an interrupted attempt left behind is built again. `options`: as `op.create_index` takes them.
    """
    with op.get_context().autocommit_block():
        # It waits for older transactions, and blocks nobody meanwhile.
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, list(columns), postgresql_concurrently=True, **options)
        op.execute(_set_lock_timeout())


def run(connection: Connection, lineage: Lineage) -> None:
    """Runs the migrations that an Alembic command selects; its `env.py` calls this."""
    context.configure(
        connection=connection,
        version_table=lineage.version_table,
        target_metadata=_metadata(lineage.package),
        compare_type=True,
        render_item=_render_plainly,
        include_object=_only_of(lineage),
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _only_of(lineage: Lineage) -> Any:
    """Alembic's filter for the tables of a lineage. A table to which the service adds columns is the service's."""
    kit = _metadata(KIT).tables
    if lineage.package == KIT:
        return lambda _, name, kind, *__: kind != "table" or name in kit
    own = _metadata(lineage.package).tables
    extended = {name for name, table in kit.items() if name in own and own[name].c.keys() != table.c.keys()}
    others = VERSION_TABLES | (kit.keys() - extended)
    return lambda _, name, kind, *__: kind != "table" or name not in others


def config(lineage: Lineage, connection: Connection | None = None) -> Config:
    """Alembic's configuration for commands that work on `connection`: in its transaction, if it has one."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    made.set_main_option("version_locations", str(lineage.directory))
    made.set_main_option("path_separator", "newline")
    made.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    made.attributes.update(connection=connection, lineage=lineage)
    return made


def _metadata(package: str) -> MetaData:
    if package == KIT:
        kit = service_registry().metadata
        add_kit_tables(kit)
        return kit
    metadata: MetaData = importlib.import_module(f"{package}.models").metadata
    return metadata


def _render_plainly(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Revisions name SQLAlchemy's own types, so that they don't change meaning with another version of SQLModel."""
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()" if item.length is None else f"sa.String(length={item.length})"
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


@contextmanager
def _locked(url: str, tls: Tls | None) -> Iterator[Connection]:
    """A connection without a transaction, that holds the lock of migrations until it is closed."""
    with _engine(url, tls).connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.execute(text(_set_lock_timeout()))
        connection.commit()
        yield connection


def _set_lock_timeout() -> str:
    return f"SET lock_timeout = '{LOCK_TIMEOUT.total_seconds() * 1000:.0f}ms'"


def _engine(url: str, tls: Tls | None) -> Engine:
    sync = make_url(url).set(drivername="postgresql+psycopg2")
    return create_engine(sync, poolclass=pool.NullPool, connect_args=(tls or Tls()).for_libpq())
