"""Lists by keyset: the next page begins behind the last row, so that the thousandth costs what the first does."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import TypeDecorator, literal, tuple_
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.types import TypeEngine
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from service_kit.problems import Problem

Row = TypeVar("Row")


class InvalidCursor(Problem, status=400, type="invalid-cursor"):
    """This cursor is not one of this list's: take `next` from the page before, and keep filters and sort the same."""


@dataclass(frozen=True)
class Slice(Generic[Row]):
    """Some rows, and the cursor of what follows (None: nothing)."""

    rows: Sequence[Row]
    next: str | None


@dataclass(frozen=True)
class Position:
    """Where a page begins, and how many rows it may have."""

    limit: int = 20
    cursor: str | None = None

    def values(self, *kinds: type) -> list[Any] | None:
        """The last row's values that the cursor holds, or None at the beginning. Raises: InvalidCursor."""
        if self.cursor is None:
            return None
        try:
            found = json.loads(base64.urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4)))
            return [_PARSE.get(kind, kind)(value) for kind, value in zip(kinds, found, strict=True)]
        except (ValueError, TypeError) as error:
            raise InvalidCursor from error

    def slice(self, rows: Sequence[Row], key: Any) -> Slice[Row]:
        """Of `limit + 1` rows read, those of this page; `key(row)` gives the values that the list is sorted by."""
        shown = rows[: self.limit]
        return Slice(shown, encode_cursor(key(shown[-1])) if len(rows) > self.limit else None)


def encode_cursor(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(values), default=str).encode()).decode().rstrip("=")


async def keyset(
    tx: AsyncSession,
    statement: SelectOfScalar[Any],
    position: Position,
    *by: QueryableAttribute[Any] | Any,
    descending: bool = False,
) -> Slice[Any]:
    """One page of `statement` (of one model), sorted by the columns `by`, the last of which must be unique."""
    kinds = [_python_type(column.type) for column in by]
    after = position.values(*kinds)
    if after is not None:
        bounds = tuple_(*(literal(value, column.type) for value, column in zip(after, by, strict=True)))
        statement = statement.where(tuple_(*by) < bounds if descending else tuple_(*by) > bounds)
    order = [column.desc() if descending else column.asc() for column in by]
    rows = (await tx.exec(statement.order_by(*order).limit(position.limit + 1))).all()
    return position.slice(rows, lambda row: [getattr(row, column.key) for column in by])


def _python_type(column_type: TypeEngine[Any]) -> type:
    """A decorated type (SQLModel's UTCDateTime) says `object` of itself; what it decorates says more."""
    plain = column_type.impl_instance if isinstance(column_type, TypeDecorator) else column_type
    return plain.python_type


_PARSE: dict[type, Any] = {datetime: datetime.fromisoformat, UUID: UUID}
