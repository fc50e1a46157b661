"""Which revision the code has, told without Alembic: that, with Mako and psycopg2, is 12 MiB."""

import importlib
from functools import cache
from pathlib import Path


def directory(service: str) -> Path:
    return Path(str(importlib.import_module(service).__file__)).parent / "migrations"


@cache
def head(service: str) -> str | None:
    """The newest revision; None before the first. Files are named as `make-migration` does: `0007_what_it_does.py`."""
    return max((path.name.partition("_")[0] for path in directory(service).glob("[0-9]*_*.py")), default=None)


def fit(revision: str | None, least_code: str | None, *, code: str | None) -> str:
    """`ok`, or why code whose newest revision is `code` can't serve a database at `revision`.

    A newer database is fine, so that the release before serves on while the next one is rolled out; unless a migration
    has said (`migrations.needs_code`) that it takes away what older code uses.
    """
    if _number(revision) < _number(code):
        return f"migrated to {revision}, this code needs {code}: run the migrations"
    if _number(code) < _number(least_code):
        return f"the database needs code of revision {least_code} or later, this is {code}: deploy a newer release"
    return "ok"


def _number(revision: str | None) -> int:
    return int(revision) if revision else 0
