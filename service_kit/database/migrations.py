"""Alembic, the same for every service: `<service>/migrations/` holds its revisions and nothing else."""

import importlib
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from alembic import command, context, op
from alembic.autogenerate import compare_metadata
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, create_engine, make_url, pool, text
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from service_kit.audit import pruning
from service_kit.database import roles
from service_kit.database.revisions import directory, head
from service_kit.database.tls import Tls

LOCK = 0x6D617274  # any number that all migrating processes share


def upgrade(
    service: str, url: str, to: str = "head", *, tls: Tls | None = None, serving_role: str | None = None
) -> None:
    """Brings the database to the newest revision. Several may call it at once: one migrates, the others wait.

    A database that a later release has migrated is left alone: its process of before may still start again.
    `serving_role`: who is to have the tables' rows, where `url` is the owner's.
    """
    if to != "head" or not is_current(service, url, tls=tls):
        command.upgrade(_config(service, url, tls=tls, serving_role=serving_role), to)
    elif serving_role is not None:
        with _engine(url, tls).begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            roles.grant(connection, serving_role)


def make(service: str, url: str, message: str, tls: Tls | None = None) -> None:
    """Writes a revision from the difference between the models and the database at `url`, which it migrates first."""
    upgrade(service, url, tls=tls)
    newest = head(service)
    number = f"{int(newest) + 1:04}" if newest else "0001"
    made = command.revision(_config(service, url), message, autogenerate=True, rev_id=number)
    for script in made if isinstance(made, list) else [made]:
        if script is not None:
            _tidy(Path(script.path))


def _tidy(revision: Path) -> None:
    """Takes Alembic's own remarks out."""
    kept = [line for line in revision.read_text().splitlines(keepends=True) if "###" not in line]
    revision.write_text("".join(kept))


def differences(service: str, url: str, tls: Tls | None = None) -> list[str]:
    """What the models say and the migrated database at `url` doesn't; empty when the migrations are current."""
    upgrade(service, url, tls=tls)
    with _engine(url, tls).connect() as connection:
        migration = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return [str(difference) for difference in compare_metadata(migration, _metadata(service))]


def in_order(service: str) -> list[str]:
    """All revisions as Alembic would apply them."""
    return [script.revision for script in ScriptDirectory.from_config(_config(service, "")).walk_revisions()][::-1]


def prune_audit_log(url: str, kept: timedelta, *, tls: Tls | None = None) -> int:
    """Deletes entries of the audit log that are older than `kept`; `url` is the owner's. How many they were."""
    return pruning.prune(_engine(url, tls), kept)


def is_current(service: str, url: str, *, tls: Tls | None = None, serving_role: str | None = None) -> bool:
    """Whether the database has the code's newest revision or a later one, and the serving role its rights; False where
    it was never migrated."""
    with _engine(url, tls).connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is None or current < (head(service) or ""):
            return False
        return serving_role is None or roles.may_serve(connection, serving_role)


def needs_code(revision: str) -> None:
    """For the step of a migration that takes away what older code uses ("contract"): processes whose code doesn't
    know `revision` are not ready from now on. Its `downgrade` names the one before."""
    op.execute("ALTER TABLE alembic_version ADD COLUMN IF NOT EXISTS least_code varchar(32)")
    op.execute(text("UPDATE alembic_version SET least_code = :revision").bindparams(revision=revision))


def run(url: str, service: str, tls: Tls | None = None, serving_role: str | None = None) -> None:
    """What Alembic's `env.py` does."""
    metadata = _metadata(service)
    with _engine(url, tls).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.configure(
            connection=connection, target_metadata=metadata, compare_type=True, render_item=_render_plainly
        )
        with context.begin_transaction():
            context.run_migrations()
        if serving_role is not None:
            roles.grant(connection, serving_role)


def _config(service: str, url: str, **attributes: Any) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", str(directory(service)))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes.update(url=url, service=service, **attributes)
    return config


def _metadata(service: str) -> MetaData:
    metadata: MetaData = importlib.import_module(f"{service}.models").metadata
    return metadata


def _render_plainly(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Revisions name SQLAlchemy's own types, so that they don't change meaning with another version of SQLModel."""
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()" if item.length is None else f"sa.String(length={item.length})"
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def _engine(url: str, tls: Tls | None) -> Engine:
    sync = make_url(url).set(drivername="postgresql+psycopg2")
    return create_engine(sync, poolclass=pool.NullPool, connect_args=(tls or Tls()).for_libpq())
