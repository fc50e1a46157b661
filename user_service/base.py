"""What the domains of this service stand on: the bases of their tables, and secret tokens."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import ConfigDict
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel

from service_kit.clock import utcnow
from service_kit.database import Session, service_registry
from service_kit.http.etag import set_etag
from service_kit.ids import uuid7
from service_kit.problems import Problem
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
        """Sets the fields that differ. Returns each of them as it was and as it is, in JSON's types."""
        differing = {name: value for name, value in fields.items() if getattr(self, name) != value}
        before = self.model_dump(mode="json", include=set(differing))
        self.sqlmodel_update(differing)
        self.version += bool(differing)
        after = self.model_dump(mode="json", include=set(differing))
        return {name: [before[name], after[name]] for name in differing}


async def flush(tx: Session, conflict: Problem) -> None:
    """Raises: `conflict`, where the database has another row already that must be different from one of these."""
    try:
        await tx.flush()
    except IntegrityError as error:
        raise conflict from error


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


def example(body: dict[str, Any]) -> ConfigDict:
    """The `model_config` of a request's body that OpenAPI shows this example of."""
    return ConfigDict(json_schema_extra={"example": body})


class _HasVersion(Protocol):
    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=_HasVersion)


def tagged(response: Response, answer: V) -> V:
    """The answer; its version is the `ETag` of the response, for a later change."""
    set_etag(response, answer.version)
    return answer


def new_token() -> str:
    """256 random bits, in letters and digits that need no escaping in an address."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    """What is stored of a token. SHA-256 is enough for 256 random bits, which nobody can guess."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
