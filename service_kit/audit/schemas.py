"""Response bodies of the audit log."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from service_kit.schemas import examples

EXAMPLE: dict[str, Any] = {
    "id": "01997f3e-7c1a-7b5e-9d57-0f3a2f9f3c11",
    "at": "2026-11-22T20:15:00Z",
    "actor_id": "01997f3e-0000-7b5e-9d57-0f3a2f9f3c11",
    "client_id": None,
    "action": "PATCH /products/{product_id}",
    "resource": "product",
    "resource_id": "01997f3e-1111-7b5e-9d57-0f3a2f9f3c11",
    "changes": {"name": ["A lantern", "A storm lantern"], "status": ["draft", "active"]},
    "request_id": "01997f3e-2222-7b5e-9d57-0f3a2f9f3c11",
}


class AuditEntryOut(BaseModel):
    model_config = examples(EXAMPLE)

    id: UUID
    at: datetime
    actor_id: UUID | None = Field(
        description="the account or the API client that did it; null: nobody who had signed in, or the shop itself"
    )
    client_id: str | None = Field(description="the API client that did it; null: a person")
    action: str = Field(description="what was asked for: the operation, as OpenAPI has it")
    resource: str | None = Field(description="what sort of thing was changed")
    resource_id: str | None = Field(description="which one")
    changes: dict[str, tuple[Any, Any] | None] | None = Field(
        description="each changed field, as it was before and as it is now; null for one with personal data, of which "
        "only that it changed is written down"
    )
    request_id: str | None = Field(description="the answer's X-Request-Id, by which the log lines are found")

    @classmethod
    def of(cls, entry: Any) -> Self:
        return cls.model_validate(entry, from_attributes=True)
