"""Database sessions as dependencies of endpoints: each is committed before the answer is sent."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit import database


def database_of(request: Request) -> database.Database:
    """The database of the service that serves this request."""
    found: database.Database = request.app.state.runtime.database
    return found


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    async with database_of(request).session() as session:
        yield session


async def _transaction(request: Request) -> AsyncIterator[database.Transaction]:
    async with database_of(request).transaction() as transaction:
        yield transaction


async def _connection(request: Request) -> AsyncIterator[database.Connection]:
    async with database_of(request).connection() as connection:
        yield connection


# Function scope: the commit comes before the answer is sent, so a commit that fails can't have answered 201.
Session = Annotated[AsyncSession, Depends(_session, scope="function")]
Transaction = Annotated[database.Transaction, Depends(_transaction, scope="function")]
Connection = Annotated[database.Connection, Depends(_connection, scope="function")]
