"""Upgrades databases from the time before all migrations were squashed into 0100, and the kit got its own lineage.

They already have the tables of 0100 of both lineages, so these are not created again: what is missing is added, and the
database is marked as migrated to 0100.
"""

from collections.abc import Mapping
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from service_kit.database.revisions import FIRST, KIT, Lineage, number


class TooOld(Exception):
    """A database that only an earlier release can upgrade."""

    def __init__(self, service: str, found: str, needed: str) -> None:
        super().__init__(
            f"The database of {service} is at revision {found}, and this release upgrades databases from {needed} on. "
            "Nothing was changed. Migrate it with the last release before 0.10 first (the changelog names it), which "
            f"brings it to {needed}, and then with this one."
        )


def adopt(connection: Connection, service: str, configs: Mapping[Lineage, Config]) -> None:
    """Marks a database at the last revision before the squash as migrated to 0100 of each lineage (`configs`).

    A new database, or one that is at 0100 or beyond, is not changed. Raises: TooOld.
    """
    baselines = {lineage.package: _baseline(config) for lineage, config in configs.items()}
    found = next(revision_of(connection, each) for each in configs if each.package == service)
    if found is None or number(found) >= FIRST:
        return
    if found != baselines[service].REPLACES:
        raise TooOld(service, found, baselines[service].REPLACES)
    with Operations.context(MigrationContext.configure(connection)):
        baselines[KIT].complete()
    for config in configs.values():
        command.stamp(config, f"{FIRST:04}", purge=True)


def revision_of(connection: Connection, lineage: Lineage) -> str | None:
    """The revision of the lineage that was applied last; None: there is none."""
    options = {"version_table": lineage.version_table}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _baseline(config: Config) -> Any:
    return ScriptDirectory.from_config(config).get_revision(f"{FIRST:04}").module
