"""What the domains of this service stand on: the bases of their tables, and secret tokens."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import delete
from sqlmodel import Field, SQLModel

from service_kit import concurrency
from service_kit.clock import utcnow
from service_kit.database import service_registry
from service_kit.ids import uuid7
from service_kit.runtime import Runtime

T = TypeVar("T")


class Base(SQLModel, registry=service_registry()):
    """The user service's tables, and no others, are in this metadata."""


class Entity(Base):
    """A row with an id of its own; ids grow with time."""

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    created_at: datetime = Field(default_factory=utcnow)


class Versioned(Base):
    """A row whose version grows with each change, so that a change made from an outdated version is noticed."""

    version: int = 1

    def change(self, **fields: object) -> dict[str, list[Any]]:
        """Sets the fields that differ. Returns their former and new values in JSON's types."""
        return concurrency.change(self, fields)


def pruning(*times: tuple[Any, timedelta]) -> Callable[[Runtime], Awaitable[None]]:
    """A job that deletes the rows in which a column's time is longer ago than it may be."""

    async def prune(runtime: Runtime) -> None:
        async with runtime.database.session() as tx:
            for column, age in times:
                await tx.exec(delete(column.class_).where(column < utcnow() - age))

    return prune


def resource(kind: type[T]) -> Any:
    """A dependency of endpoints: the object of this type that `open_resources` made."""

    async def find(request: Request) -> T:
        found: T = request.app.state.runtime.resource(kind)
        return found

    return Depends(find)


def new_token() -> str:
    """256 random bits, in letters and digits that need no escaping in an address."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    """What is stored of a token. SHA-256 is enough for 256 random bits, which nobody can guess."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
