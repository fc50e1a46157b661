"""Checks that a service can be upgraded while it serves: the SQL of each migration, by squawk's rules.

docs/upgrades.md has the rule that they enforce: a release may only expand the schema that the release
before it uses; what is no longer used is removed by a later one.
"""

import io
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory

from local_stack.parts import SERVICES
from service_kit.database import migrations
from service_kit.database.revisions import KIT, Lineage, lineages, number
from tools import audit

LAST_WITH_A_STOP: Mapping[str, str] = {
    KIT: "0101",
    "user_service": "0100",
    "product_service": "0101",
    "inventory_service": "0101",
    "order_service": "0106",
    "notification_service": "0101",
}
"""The last revision of each lineage whose upgrade needed a stop (0.10.0); those after it are checked."""
# `migrations.upgrade` sets the time-out for locks, and runs each migration in a transaction, which is rolled back if it
# fails; `create_index_concurrently` ends that transaction. The other rules are about types, which the models decide.
NOT_NEEDED = (
    *("require-timeout-settings", "require-lock-timeout", "require-statement-timeout", "prefer-robust-stmts"),
    *("transaction-nesting", "ban-uncommitted-transaction"),
    *("prefer-text-field", "prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-identity"),
    "require-table-schema",
)
REMOVING = ("ban-drop-column", "ban-drop-table", "ban-drop-not-null")
"""Rules that a migration may break which names the least code that can serve its schema (`needs_code`)."""


def checked() -> Iterator[tuple[Lineage, Script]]:
    """The migrations that have to run while services serve."""
    everything = {lineage for service in SERVICES for lineage in lineages(service.package)}
    for lineage in sorted(everything, key=lambda each: each.package):
        for script in ScriptDirectory.from_config(migrations.config(lineage)).walk_revisions():
            if number(script.revision) > number(LAST_WITH_A_STOP[lineage.package]):
                yield lineage, script


def sql_of(lineage: Lineage, script: Script) -> str:
    """What the migration executes, without a database."""
    buffer = io.StringIO()
    options = {"as_sql": True, "output_buffer": buffer, "version_table": lineage.version_table}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    with Operations.context(context):
        script.module.upgrade()
    return buffer.getvalue()


def faults(path: Path, sql: str) -> str:
    """Squawk's complaints about the SQL of the migration at `path`; empty if there are none."""
    excluded = [*NOT_NEEDED, *(REMOVING if "needs_code(" in path.read_text() else ())]
    command = [str(audit.BIN / "squawk"), "--assume-in-transaction", "--pg-version=18", "--reporter=gcc"]
    command += [f"--stdin-filepath={path}", *(f"--exclude={rule}" for rule in excluded)]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout or done.stderr


def faults_found() -> list[str]:
    return [fault for lineage, script in checked() if (fault := faults(Path(script.path), sql_of(lineage, script)))]
