"""Database sessions as dependencies of endpoints: each is committed before the answer is sent."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit.database.doors import Database, HotConnection, HotTransaction


def database_of(request: Request) -> Database:
    """The database of the service that serves this request."""
    database: Database = request.app.state.runtime.database
    return database


async def _tx(request: Request) -> AsyncIterator[AsyncSession]:
    async with database_of(request).tx() as tx:
        yield tx


async def _hot_tx(request: Request) -> AsyncIterator[HotTransaction]:
    async with database_of(request).hot_tx() as tx:
        yield tx


async def _hot(request: Request) -> AsyncIterator[HotConnection]:
    async with database_of(request).hot() as connection:
        yield connection


# Function scope: the commit comes before the answer is sent, so a commit that fails can't have answered 201.
Tx = Annotated[AsyncSession, Depends(_tx, scope="function")]
HotTx = Annotated[HotTransaction, Depends(_hot_tx, scope="function")]
HotConn = Annotated[HotConnection, Depends(_hot, scope="function")]
