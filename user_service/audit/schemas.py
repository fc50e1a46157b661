"""Bodies of answers about the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from user_service.audit.models import AuditEntry


class AuditEntryOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "01997f3e-7c1a-7b5e-9d57-0f3a2f9f3c11",
                "at": "2026-11-22T20:15:00Z",
                "action": "roles.changed",
                "actor_id": "01997f3e-0000-7b5e-9d57-0f3a2f9f3c11",
                "subject_id": "01997f3e-1111-7b5e-9d57-0f3a2f9f3c11",
                "address": "192.0.2.7",
                "user_agent": "Mozilla/5.0",
                "session_id": "01997f3e-2222-7b5e-9d57-0f3a2f9f3c11",
                "facts": {"before": ["User"], "after": ["SubAdmin"]},
            }
        }
    )

    id: UUID
    at: datetime
    action: str
    actor_id: UUID | None = Field(description="who did it; null: somebody who had not signed in, or the shop itself")
    subject_id: UUID | None = Field(description="to which account; null: none that there is")
    address: str | None = Field(description="the IP address that it came from")
    user_agent: str | None
    session_id: UUID | None
    facts: dict[str, Any] = Field(description="what else there is to say of this action")

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditEntryOut":
        return cls.model_validate(entry, from_attributes=True)
