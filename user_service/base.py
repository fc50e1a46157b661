"""Used by all domains of this service: base classes of tables, factories of jobs and dependencies, secret tokens."""

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
    """A row with a UUIDv7 as its id, so that sorting by id sorts by creation time."""

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    created_at: datetime = Field(default_factory=utcnow)


class Versioned(Base):
    """A row whose version grows with each change, so that a change made from an outdated version can be rejected."""

    version: int = 1

    def change(self, **fields: object) -> dict[str, list[Any]]:
        """Sets the fields that differ. Returns their former and new values in JSON's types."""
        return concurrency.change(self, fields)


def pruning(*times: tuple[Any, timedelta]) -> Callable[[Runtime], Awaitable[None]]:
    """Returns a job that deletes outdated rows. `times`: columns of times, each with the greatest age that is kept."""

    async def prune(runtime: Runtime) -> None:
        async with runtime.database.session() as tx:
            for column, age in times:
                await tx.exec(delete(column.class_).where(column < utcnow() - age))

    return prune


def resource(kind: type[T]) -> Any:
    """A dependency for endpoints: the object of this type that `resources.provide` has registered."""

    async def find(request: Request) -> T:
        found: T = request.app.state.runtime.resource(kind)
        return found

    return Depends(find)


def new_token() -> str:
    """256 random bits as URL-safe text, which needs no escaping in a link."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    """The hash that is stored of a token. SHA-256 without salt is enough, since 256 random bits can't be guessed."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
