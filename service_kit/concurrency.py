"""Optimistic concurrency: a change names the version of the row that its caller has read, and of two changes that
exclude each other, a constraint of the database rejects the second."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from service_kit.database import Session
from service_kit.problems import PreconditionFailed, Problem


class Expected:
    """The versions of a row that the caller expects; None: any. Over HTTP they are in `If-Match`."""

    def __init__(self, versions: frozenset[str] | None = None) -> None:
        self._versions = versions

    def check(self, version: int) -> None:
        """Raises: PreconditionFailed, if the row has another version. Call it while the row is locked."""
        if self._versions is not None and str(version) not in self._versions:
            raise PreconditionFailed(current=f'"{version}"')


def change(row: Any, fields: Mapping[str, object]) -> dict[str, list[Any]]:
    """Sets the fields of the row that differ, and increments its version if any do. Returns their former and new values
    in JSON's types."""
    differing = {name: value for name, value in fields.items() if getattr(row, name) != value}
    before = row.model_dump(mode="json", include=set(differing))
    for name, value in differing.items():
        setattr(row, name, value)
    row.version += bool(differing)
    after = row.model_dump(mode="json", include=set(differing))
    return {name: [before[name], after[name]] for name in differing}


async def flush(tx: Session, conflict: Problem | None) -> None:
    """Raises `conflict`, if it is given, when a constraint of the database rejects a pending change."""
    try:
        await tx.flush()
    except IntegrityError as error:
        if conflict is None:
            raise
        raise conflict from error
