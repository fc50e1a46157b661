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
