"""Database sessions as dependencies of endpoints: each is committed before the response is sent."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from service_kit import database
from service_kit.database import Database

T = TypeVar("T")


def database_of(request: Request) -> Database:
    """The database of the service that serves this request."""
    found: Database = request.app.state.runtime.database
    return found


def _opened(opening: Callable[[Database], AbstractAsyncContextManager[T]]) -> Any:
    async def dependency(request: Request) -> AsyncIterator[T]:
        async with opening(database_of(request)) as found:
            yield found

    # With function scope the commit precedes the response, so no 201 is sent if the commit fails.
    return Depends(dependency, scope="function")


Session = Annotated[AsyncSession, _opened(Database.session)]
Transaction = Annotated[database.Transaction, _opened(Database.transaction)]
Connection = Annotated[database.Connection, _opened(Database.connection)]
