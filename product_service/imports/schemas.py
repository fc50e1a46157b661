"""Response bodies of imports."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from product_service.imports.models import Format, Kind, Mode, OnError, State
from service_kit.schemas import RowOut, examples

_OUT: dict[str, Any] = {
    "id": "0199c1a0-5b00-7a10-8c00-00000000000a",
    "kind": "products",
    "format": "csv",
    "mode": "upsert",
    "on_error": "continue",
    "state": "running",
    "size": 2_412_804,
    "position": 120_640,
    "rows": 500,
    "created": 480,
    "changed": 12,
    "unchanged": 7,
    "failed": 1,
    "error": None,
    "created_at": "2026-12-01T08:00:00Z",
    "updated_at": "2026-12-01T08:00:02Z",
}


class ImportOut(RowOut):
    model_config = examples(_OUT)

    id: UUID
    kind: Kind
    format: Format
    mode: Mode
    on_error: OnError
    state: State
    size: int = Field(description="of the file, in bytes")
    position: int = Field(description="how many bytes of it are done")
    rows: int = Field(description="that are done: the sum of the four that follow")
    created: int
    changed: int
    unchanged: int
    failed: int
    error: str | None = Field(description="why the import ended before the file did")
    created_at: datetime
    updated_at: datetime
