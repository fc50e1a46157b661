"""`make check` rejects migrations that the services of the release before would not survive."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from service_kit.database import migrations
from service_kit.database.revisions import Lineage, lineages
from tools import migration_lint
from tools.migration_lint import LAST_WITH_A_STOP, checked, faults, faults_found, sql_of

CONCURRENTLY = """
from alembic import op
from service_kit.database.migrations import create_index_concurrently
revision, down_revision = "0100", None

def upgrade():
    create_index_concurrently("ix_things_size", "things", ["size"])
"""


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE a ADD COLUMN b text NOT NULL", "adding-required-field"),
        ("ALTER TABLE a RENAME COLUMN b TO c", "renaming-column"),
        ("ALTER TABLE a RENAME TO b", "renaming-table"),
        ("ALTER TABLE a DROP COLUMN b", "ban-drop-column"),
        ("DROP TABLE a", "ban-drop-table"),
        ("ALTER TABLE a ALTER COLUMN b TYPE bigint", "changing-column-type"),
        ("ALTER TABLE a ALTER COLUMN b SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0)", "constraint-missing-not-valid"),
        ("CREATE INDEX i ON a (b)", "require-concurrent-index-creation"),
        ("ALTER TABLE a ADD COLUMN b text", ""),
        ("ALTER TABLE a ADD COLUMN b integer NOT NULL DEFAULT 0", ""),
        ("ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0) NOT VALID", ""),
        ("CREATE TABLE a (id uuid PRIMARY KEY, b text NOT NULL); CREATE INDEX i ON a (b)", ""),
    ],
)
def test_only_what_both_releases_can_serve_is_accepted(tmp_path: Path, sql: str, rule: str) -> None:
    migration = tmp_path / "0200_change.py"
    migration.write_text("op.execute(SQL)")
    found = faults(migration, f"{sql};")
    assert rule in found if rule else not found


@pytest.mark.parametrize("sql", ["ALTER TABLE a DROP COLUMN b", "DROP TABLE a"])
def test_a_migration_that_names_the_code_it_needs_may_remove(tmp_path: Path, sql: str) -> None:
    migration = tmp_path / "0201_remove.py"
    migration.write_text('op.execute(SQL)\nneeds_code("0200")')
    assert not faults(migration, f"{sql};")
    assert "renaming-column" in faults(migration, "ALTER TABLE a RENAME COLUMN b TO c;")


def test_an_index_that_is_built_concurrently_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0100_index.py").write_text(CONCURRENTLY)
    monkeypatch.setattr(Lineage, "directory", tmp_path)
    lineage = Lineage("things_service", "alembic_version")
    script = ScriptDirectory.from_config(migrations.config(lineage)).get_revision("0100")
    sql = sql_of(lineage, script)
    assert "CREATE INDEX CONCURRENTLY ix_things_size ON things (size)" in sql
    assert not faults(Path(script.path), sql)


def test_each_migration_since_the_last_stop_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {lineage.package for service in LAST_WITH_A_STOP for lineage in lineages(service)} == set(LAST_WITH_A_STOP)
    assert ("order_service", "0107") in {(lineage.package, script.revision) for lineage, script in checked()}
    assert faults_found() == []
    monkeypatch.setattr(migration_lint, "LAST_WITH_A_STOP", {**LAST_WITH_A_STOP, "notification_service": "0100"})
    assert "renaming-column" in "".join(faults_found())
