"""Imports: files of products or prices that a job works through, and the rows of them that failed."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from product_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem

CHUNK_BYTES = 256 * 1024
"""The size of each chunk of a file but the last, so that a position in the file names its chunk."""


class Kind(StrEnum):
    PRODUCTS = "products"
    PRICES = "prices"


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


class Mode(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"


class OnError(StrEnum):
    CONTINUE = "continue"
    STOP = "stop"


class State(StrEnum):
    RECEIVING = "receiving"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


ENDED = frozenset({State.DONE, State.CANCELLED, State.FAILED})
_NOT_ENDED = "state IN ('queued', 'running')"


class ImportTooLarge(Problem, status=413, type="import-too-large"):
    """The file is larger than {limit} bytes: divide it, each part with the header."""


class ImportUnreadable(Problem, status=422, type="import-unreadable"):
    """The file can't be imported: {reason}."""


class ImportMediaTypeUnknown(Problem, status=415, type="import-media-type-unknown"):
    """Send the file as `text/csv` or `application/jsonl`, in UTF-8."""


class ImportEnded(Problem, status=409, type="import-ended"):
    """The import has ended already: it is {state}."""


class Import(Base, table=True):
    """`position`, `rows`: how many bytes and rows of the file are done. They change in the transaction that stores
    these rows, so that no row is done twice."""

    __tablename__ = "imports"
    __table_args__ = (
        CheckConstraint("kind IN ('products', 'prices')", name="kind"),
        CheckConstraint("state IN ('receiving', 'queued', 'running', 'done', 'cancelled', 'failed')", name="state"),
        Index("ix_imports_not_ended", "kind", "id", postgresql_where=text(_NOT_ENDED)),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    kind: str
    format: str
    mode: str
    on_error: str
    creates_categories: bool = False
    state: str = State.RECEIVING
    columns: list[str] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    """Of a CSV file, as its header names them."""
    size: int = Field(default=0, sa_type=BigInteger)
    position: int = Field(default=0, sa_type=BigInteger)
    rows: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    failed: int = 0
    attempts: int = 0
    """How often the next rows have failed as a whole, for a reason that is not theirs."""
    error: str | None = None
    cancelled_by: UUID | None = None
    actor: str | None = Field(default=None, sa_type=Text)
    """Who has sent it, for the audit log; null once it has ended."""
    created_at: datetime = Field(default_factory=utcnow)
    updated_at: datetime = Field(default_factory=utcnow)

    def end(self, state: State, error: str | None = None) -> None:
        """Raises: ImportEnded."""
        if self.state in ENDED:
            raise ImportEnded(state=self.state)
        self.state, self.error, self.actor = state, error, None


def _import_id() -> Column[Any]:
    return Column(Uuid, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)


class ImportChunk(Base, table=True):
    """A part of a file, where every process of the service can read it. Deleted when the import ends."""

    __tablename__ = "import_chunks"

    import_id: UUID = Field(sa_column=_import_id())
    number: int = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)


class ImportFailure(Base, table=True):
    """A row that failed. `row_number` counts the rows of the file from 1; `content` is the row as it was sent."""

    __tablename__ = "import_failures"

    import_id: UUID = Field(sa_column=_import_id())
    row_number: int = Field(primary_key=True)
    field: str | None = None
    """The column that is wrong, if it is one."""
    code: str
    message: str
    content: str
