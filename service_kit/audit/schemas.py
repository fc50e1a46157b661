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
        description="the account or the API client that made the change; null: an anonymous caller, or the shop itself"
    )
    client_id: str | None = Field(description="the API client that made the change; null: a person")
    action: str = Field(description="the operation, as the OpenAPI document names it: its method and its path")
    resource: str | None = Field(description="the kind of resource that was changed, such as `product`")
    resource_id: str | None = Field(description="the id of the resource")
    changes: dict[str, tuple[Any, Any] | None] | None = Field(
        description="each changed field, with its values before and after; null for a field with personal data, whose "
        "values are not logged"
    )
    request_id: str | None = Field(description="the X-Request-Id of the response, which its log lines have too")

    @classmethod
    def of(cls, entry: Any) -> Self:
        return cls.model_validate(entry, from_attributes=True)
