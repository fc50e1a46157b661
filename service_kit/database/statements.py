"""SQL with named parameters and row sets, whose columns and types come from the models.

asyncpg numbers its parameters, and numbers counted by hand shift with every new column. A `Statement` names its
parameters instead, and a whole row set is one of them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import chain
from operator import attrgetter
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import ARRAY, CursorResult
from sqlalchemy.dialects.postgresql import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.database.sessions import AnySession

T = TypeVar("T")

# The first alternative skips string literals, and the lookbehind skips casts.
_PARAMETER = re.compile(r"'[^']*'|(?<![:\w]):([a-z_]\w*)(?:(\[\])?\.([a-z_][\w.]*))?(?=(::jsonb?\b)?)", re.IGNORECASE)
_DIALECT: Any = asyncpg.dialect()  # type: ignore[no-untyped-call]
_SQL_TYPES = {
    UUID: "uuid", str: "text", bytes: "bytea", int: "bigint", bool: "bool", datetime: "timestamptz", date: "date",
    timedelta: "interval", dict: "jsonb", list: "jsonb",
}  # fmt: skip


class Statement:
    """`:name` is a value, `:name.field` a field of an object, and `:name[].field` the array of that field of all
    objects of a row set, as `rows` writes it. A parameter with the cast `::json` or `::jsonb` is serialized.

    Each execution takes exactly the parameters that the text names. Raises: TypeError, for more or fewer.
    """

    __slots__ = ("_names", "_readers", "sql", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # The parameters that are fields of one value are numbered together, so that they are read together.
        values: dict[tuple[str, str, bool], dict[tuple[str, ...], None]] = {}
        for match in _PARAMETER.finditer(text):
            if match[1]:
                values.setdefault((match[1], match[2], match[3] is None), {})[match.groups("")] = None
        numbers = {each: f"${number}" for number, each in enumerate(chain(*values.values()), 1)}
        self.sql = _PARAMETER.sub(lambda match: numbers.get(match.groups(""), match[0]), text)
        self._readers = [(name, _reader(list(parameters))) for (name, *_), parameters in values.items()]
        self._names = {name for name, _ in self._readers}

    async def fetch(self, db: AnySession, **values: Any) -> Sequence[Any]:
        """The rows; their columns can be read by index and unpacked. A session is flushed first."""
        arguments = self.arguments(**values)
        if isinstance(db, AsyncSession):
            result = await _run(db, self.sql, arguments)
            return result.all() if result.returns_rows else []
        found: Sequence[Any] = await db.fetch(self.sql, *arguments)
        return found

    async def fetch_as(self, db: AnySession, make: Callable[..., T], **values: Any) -> list[T]:
        """The rows as objects: `make` is called with each column as an argument of its name."""
        found = await self.fetch(db, **values)
        return [make(**(row._mapping if isinstance(db, AsyncSession) else row)) for row in found]

    async def fetchrow(self, db: AnySession, **values: Any) -> Any:
        """The first row, or None."""
        return next(iter(await self.fetch(db, **values)), None)

    async def fetchrow_as(self, db: AnySession, make: Callable[..., T], **values: Any) -> T | None:
        """The first row as an object, or None."""
        return next(iter(await self.fetch_as(db, make, **values)), None)

    async def fetchval(self, db: AnySession, **values: Any) -> Any:
        """The first column of the first row; None without a row."""
        row = await self.fetchrow(db, **values)
        return row and row[0]

    async def execute(self, db: AnySession, **values: Any) -> int:
        """How many rows were affected. A session is flushed first."""
        arguments = self.arguments(**values)
        if isinstance(db, AsyncSession):
            return (await _run(db, self.sql, arguments)).rowcount
        return int((await db.execute(self.sql, *arguments)).rpartition(" ")[2])

    def arguments(self, **values: Any) -> list[Any]:
        """The values of the numbered parameters of `sql`."""
        if values.keys() != self._names:
            raise TypeError(f"given: {sorted(values)}; named: {sorted(self._names)} in {self.sql}")
        arguments: list[Any] = []
        for name, read in self._readers:
            arguments += read(values[name])
        return arguments


def rows(name: str, source: type, *columns: str) -> str:
    """A `FROM` item: the row set `name` as a table of that name, in the order of its rows.

    Its columns are those of a table's model, or the annotated fields of another class; all, or the ones named.
    PostgreSQL gets an array for each column: a composite type of the database would change under running processes
    whenever a column is added.
    """
    types = _types(source, columns)
    arrays = ", ".join(f":{name}[].{column}::{type}[]" for column, type in types.items())
    return f"unnest({arrays}) AS {name} ({_listed(types)})"


def insert(name: str, model: Any, *columns: str) -> str:
    """Inserts the row set `name` into the model's table."""
    chosen = _listed(_types(model, columns))
    return f"INSERT INTO {model.__tablename__} ({chosen}) SELECT * FROM {rows(name, model, *columns)}"  # noqa: S608 (no input in it)


def columns(model: Any) -> str:
    """All columns of the model's table by name, with the table's. A statement that returns `*` fails in each connection
    that has prepared it as soon as a migration adds a column."""
    return ", ".join(f"{model.__tablename__}.{column.name}" for column in model.__table__.columns)


async def _run(session: AsyncSession, sql: str, arguments: Sequence[Any]) -> CursorResult[Any]:
    """The session's pending changes go first, so that they take their locks before this statement does."""
    await session.flush()
    # Through SQLAlchemy's connection, not the raw one under it: that is in autocommit before its first statement.
    return await (await session.connection()).exec_driver_sql(sql, tuple(arguments))


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(_DIALECT.identifier_preparer.quote, columns))


def _reader(parameters: Sequence[tuple[str, ...]]) -> Callable[[Any], Iterable[Any]]:
    """Makes the arguments of these parameters from the value that they share, in one pass over a row set."""
    _, is_set, fields, casts = zip(*parameters, strict=True)
    get = attrgetter(*fields)
    read: Callable[[Any], Iterable[Any]] = get
    if not fields[0]:
        read = lambda value: (value,)  # noqa: E731
    elif is_set[0]:
        one_by_one = get if len(fields) > 1 else lambda row: (get(row),)
        read = lambda rows: list(zip(*map(one_by_one, rows), strict=True)) or [()] * len(fields)  # noqa: E731
    elif len(fields) == 1:
        read = lambda value: (get(value),)  # noqa: E731
    if not (serialized := [position for position, cast in enumerate(casts) if cast]):
        return read

    def read_and_serialize(value: Any) -> list[Any]:
        arguments = list(read(value))
        for position in serialized:
            argument = arguments[position]
            arguments[position] = [_json(each) for each in argument] if is_set[0] else _json(argument)
        return arguments

    return read_and_serialize


def _json(value: Any) -> str | None:
    return None if value is None else to_json(value).decode()


def _types(source: Any, columns: Sequence[str]) -> dict[str, str]:
    """PostgreSQL's type of each column. Without `columns`: of all but arrays, which `unnest` would flatten."""
    if (table := getattr(source, "__table__", None)) is not None:
        names = columns or [column.name for column in table.columns if not isinstance(column.type, ARRAY)]
        # An array's type can have no collation.
        return {name: table.columns[name].type.compile(_DIALECT).partition(" COLLATE ")[0] for name in names}
    hints = get_type_hints(source)
    return {name: _SQL_TYPES[_plain(hints[name])] for name in columns or hints}


def _plain(hint: Any) -> type:
    """The type without `| None` and parameters; enumerations are the type of their values."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(each for each in get_args(hint) if each is not type(None))
    plain: type = get_origin(hint) or hint
    return next((known for known in plain.__mro__ if known in _SQL_TYPES), plain)
