"""Reads rows by their id or in pages, and changes records that staff maintain, such as warehouses."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlmodel import Field

from inventory_service.base import Base
from service_kit import concurrency
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset, matching
from service_kit.database.summaries import shorten, without_lines
from service_kit.ids import uuid7
from service_kit.problems import Problem, not_found

Row = TypeVar("Row", bound=Base)
R = TypeVar("R", bound="Record")


class Record(Base):
    """A row that staff create and change. They can delete it as long as no other row refers to it."""

    in_use: ClassVar[type[Problem]]
    """The problem to raise when other rows refer to a record that is to be deleted."""

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)

    def conflict(self) -> Problem | None:
        """The problem to raise if another record has one of its unique values. None: it has no unique value."""
        return None


async def page(tx: Session, position: Position, model: type[Row], *by: Any, **values: object) -> Slice[Row]:
    """A page of the matching rows, sorted by the columns `by`, the last of which must be unique."""
    return await keyset(tx, matching(model, **values), position, *by)


async def shortened_page(
    tx: Session, position: Position, model: Any, **values: object
) -> tuple[Slice[Any], dict[UUID, int]]:
    """A page of rows with only the first of their `lines`, and the number of all lines by id."""
    found = await keyset(tx, matching(model, **values).options(without_lines(model)), position, model.id)
    return found, await shorten(tx, found.rows)


async def read(tx: Session, model: type[Row], id: UUID) -> Row:
    """Raises: NotFound."""
    return await tx.get(model, id) or not_found(model, id)


async def add(tx: Session, record: R) -> R:
    """Raises: the record's `conflict`."""
    tx.add(record)
    await concurrency.flush(tx, record.conflict())
    return record


async def change(tx: Session, model: type[R], id: UUID, expected: Expected, fields: Mapping[str, object]) -> R:
    """Raises: NotFound, PreconditionFailed, the record's `conflict`."""
    record = await _lock(tx, model, id, expected)
    concurrency.change(record, fields)
    await concurrency.flush(tx, record.conflict())
    return record


async def remove(tx: Session, model: type[R], id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, the model's `in_use`."""
    await tx.delete(await _lock(tx, model, id, expected))
    await concurrency.flush(tx, model.in_use())


async def _lock(tx: Session, model: type[R], id: UUID, expected: Expected) -> R:
    record = await tx.get(model, id, with_for_update=True) or not_found(model, id)
    expected.check(record.version)
    return record
