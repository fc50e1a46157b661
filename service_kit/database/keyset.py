"""Keyset pagination: a page begins after the last row of the one before, so each page costs as much as the first."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, Integer, TypeDecorator, literal, tuple_
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.types import TypeEngine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from service_kit.problems import Problem

Row = TypeVar("Row")


class InvalidCursor(Problem, status=400, type="invalid-cursor"):
    """This cursor is not one of this list's: take `next` from the page before, and keep filters and sort the same."""


@dataclass(frozen=True)
class Slice(Generic[Row]):
    """A page of rows, and the cursor of the next page (None: there is none)."""

    rows: Sequence[Row]
    next: str | None


@dataclass(frozen=True)
class Position:
    """Where a page begins, and how many rows it may have."""

    limit: int = 20
    cursor: str | None = None
    descending: bool = False

    def values(self, *kinds: type) -> list[Any] | None:
        """The last row's values that the cursor holds, or None at the beginning. Raises: InvalidCursor."""
        if self.cursor is None:
            return None
        try:
            found = json.loads(base64.urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4)))
            if not isinstance(found, list):
                raise TypeError("no list")
            return [_PARSE.get(kind, kind)(value) for kind, value in zip(kinds, found, strict=True)]
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidCursor from error

    def slice(self, rows: Sequence[Row], key: Any) -> Slice[Row]:
        """The page from the `limit + 1` rows that were read; `key(row)` gives the values that the list is sorted by."""
        shown = rows[: self.limit]
        return Slice(shown, encode_cursor(key(shown[-1])) if len(rows) > self.limit else None)


def encode_cursor(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(values), default=str).encode()).decode().rstrip("=")


def matching(model: type[Row], **values: object) -> SelectOfScalar[Row]:
    """Selects the rows whose columns have these values. None: any value."""
    return select(model).filter_by(**{name: value for name, value in values.items() if value is not None})


async def keyset(
    tx: AsyncSession,
    statement: SelectOfScalar[Any],
    position: Position,
    *by: QueryableAttribute[Any] | Any,
) -> Slice[Any]:
    """One page of `statement` (of one model), sorted by the columns `by`, the last of which must be unique."""
    kinds = [_python_type(column.type) for column in by]
    after = position.values(*kinds)
    if after is not None:
        _check_they_fit(after, by)
        bounds = tuple_(*(literal(value, column.type) for value, column in zip(after, by, strict=True)))
        statement = statement.where(tuple_(*by) < bounds if position.descending else tuple_(*by) > bounds)
    order = [column.desc() if position.descending else column.asc() for column in by]
    rows = (await tx.exec(statement.order_by(*order).limit(position.limit + 1))).all()
    return position.slice(rows, lambda row: [getattr(row, column.key) for column in by])


def _python_type(column_type: TypeEngine[Any]) -> type:
    """The Python type of a column; of a decorated type (SQLModel's UTCDateTime) that of the type inside."""
    plain = column_type.impl_instance if isinstance(column_type, TypeDecorator) else column_type
    return plain.python_type


def _check_they_fit(values: Sequence[Any], columns: Sequence[Any]) -> None:
    """PostgreSQL rejects a parameter that is too large for its column. Raises: InvalidCursor."""
    for value, column in zip(values, columns, strict=True):
        is_small = isinstance(column.type, Integer) and not isinstance(column.type, BigInteger)
        if is_small and not -(2**31) <= value < 2**31:
            raise InvalidCursor


def _time(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("a time without its zone")
    return time.astimezone(UTC)


def _number(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError("no number that a column can hold")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    value.encode()  # half a surrogate pair fails here, and not on its way to the database
    if "\x00" in value:
        raise ValueError("PostgreSQL's text holds no NUL")
    return value


# Callers can forge cursors, so a value that its column couldn't hold must not reach a statement.
_PARSE: dict[type, Any] = {
    datetime: _time,
    date: lambda value: date.fromisoformat(_text(value)),
    UUID: lambda value: UUID(_text(value)),
    int: _number,
    str: _text,
}
