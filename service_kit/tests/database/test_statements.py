"""Statements with named parameters and row sets work with asyncpg and with SQLAlchemy's sessions."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.database.base import service_registry
from service_kit.database.statements import Statement, insert, rows
from service_kit.ids import uuid7


class Base(SQLModel, registry=service_registry()):
    pass


class Thing(Base, table=True):
    __tablename__ = "things"

    id: UUID = Field(primary_key=True)
    name: str = Field(sa_column=Column(Text(collation="C")))
    size: int = Field(sa_type=BigInteger)
    made_at: datetime = Field(default_factory=utcnow)
    facts: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))


class Size(NamedTuple):
    name: str
    size: int


INSERT = Statement(insert("things", Thing))
READ = Statement("SELECT * FROM things WHERE name = ANY(:names::text[]) AND size >= :least ORDER BY name LIMIT :limit")
RESIZE = Statement(f"""
UPDATE things SET size = change.size + :more + :more FROM {rows("change", Thing, "name", "size")}
WHERE things.name = change.name
""")
SAVE = Statement("UPDATE things SET size = :thing.size, facts = :thing.facts::jsonb WHERE id = :thing.id")


@pytest.fixture
async def database(empty_database: str) -> AsyncIterator[Database]:
    database = Database(empty_database)
    async with database.connection() as connection:
        await connection.execute(
            "CREATE TABLE things (facts jsonb, name text, id uuid, size bigint, made_at timestamptz)"
        )
    yield database
    await database.close()


async def test_a_row_set_is_inserted_by_column_name_and_not_by_position(database: Database) -> None:
    things = [
        Thing(id=uuid7(), name="a", size=2**40, facts={"ids": [uuid7()], "text": "ä"}),
        Thing(id=uuid7(), name="b", size=2),
    ]
    async with database.connection() as connection:
        assert await INSERT.execute(connection, things=things) == 2
        found = await READ.fetch(connection, names=["a", "b", "c"], least=1, limit=9)
    assert [Thing(**row).model_dump(mode="json") for row in found] == [each.model_dump(mode="json") for each in things]


async def test_an_empty_row_set_inserts_nothing(database: Database) -> None:
    async with database.transaction() as transaction:
        assert await INSERT.execute(transaction, things=[]) == 0
        assert await READ.fetchrow(transaction, names=[], least=0, limit=1) is None
        assert await READ.fetchval(transaction, names=[], least=0, limit=1) is None


async def test_row_sets_can_be_made_of_objects_of_any_type(database: Database) -> None:
    thing = Thing(id=uuid7(), name="a", size=1)
    async with database.connection() as connection:
        await INSERT.execute(connection, things=[thing])
        await RESIZE.execute(connection, change=[Size("a", 5)], more=10)
        assert (await READ.fetchrow(connection, names=["a"], least=0, limit=1))["size"] == 25
        thing.size, thing.facts = 7, {"b": None}
        await SAVE.execute(connection, thing=thing)
        row = await READ.fetchrow(connection, names=["a"], least=7, limit=1)
    assert (row["size"], row["facts"]) == (7, {"b": None})


async def test_a_session_executes_a_statement_in_its_transaction(database: Database) -> None:
    async with database.connection() as connection:
        await INSERT.execute(connection, things=[Thing(id=uuid7(), name="a", size=1)])
    async with database.session() as session:
        await RESIZE.fetch(session, change=[Size("a", 5)], more=1)
        assert (await READ.fetchrow(session, names=["a"], least=0, limit=1)).size == 7
        await session.rollback()
    async with database.connection() as connection:
        assert (await READ.fetchrow(connection, names=["a"], least=0, limit=1))["size"] == 1


@pytest.mark.parametrize("given", [{}, {"names": [], "least": 1}, {"names": [], "least": 1, "limit": 1, "more": 1}])
def test_missing_and_unknown_parameters_are_rejected(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="least"):
        READ.arguments(**given)


def test_casts_and_repeated_names_are_understood() -> None:
    statement = Statement("SELECT :a::text, ':B', 'x'::text, :b.c, :b[].c::int[], :a, :b.c")
    assert statement.sql == "SELECT $1::text, ':B', 'x'::text, $2, $3::int[], $1, $2"
