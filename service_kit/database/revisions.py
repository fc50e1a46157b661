"""The revisions that the code has, read without Alembic, which needs 12 MiB of memory with Mako and psycopg2.

A service's database has two lineages of migrations, each with its own numbers and its own version table: the kit's, of
the tables that every service has, and the service's own.
"""

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

KIT = "service_kit"
FIRST = 100
"""The number of each lineage's first migration. Lower numbers belong to the migrations that were squashed into it."""


@dataclass(frozen=True)
class Lineage:
    """The migrations of a package, which are in its folder `migrations`; `version_table` has the last one applied."""

    package: str
    version_table: str

    @property
    def directory(self) -> Path:
        return Path(str(importlib.import_module(self.package).__file__)).parent / "migrations"

    @property
    def head(self) -> str | None:
        """The newest revision; None before the first. `make-migration` names files so: `0107_what_it_does.py`."""
        return _head(self.directory)


def lineages(service: str) -> tuple[Lineage, Lineage]:
    """The kit's and the service's, in the order in which they are migrated: a service may build on the kit's tables."""
    return Lineage(KIT, "alembic_version_kit"), Lineage(service, "alembic_version")


VERSION_TABLES = frozenset(lineage.version_table for lineage in lineages(""))


def fit(revision: str | None, least_code: str | None, *, code: str | None) -> str:
    """`ok`, or why code whose newest revision is `code` can't serve a database at `revision`.

    A newer database is accepted, so that the former release can serve while the next one is rolled out, unless a
    migration has declared (`migrations.needs_code`) that it removes what older code uses.
    """
    if number(revision) < number(code):
        return f"migrated to {revision}, this code needs {code}: run the migrations"
    if number(code) < number(least_code):
        return f"the database needs code of revision {least_code} or later, this is {code}: deploy a newer release"
    return "ok"


def number(revision: str | None) -> int:
    return int(revision) if revision else 0


@cache
def _head(directory: Path) -> str | None:
    return max((path.name.partition("_")[0] for path in directory.glob("[0-9]*_*.py")), default=None)
