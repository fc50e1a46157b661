"""Response bodies of the audit log."""

from typing import Any
from uuid import UUID

from pydantic import Field

from service_kit.audit.schemas import EXAMPLE, AuditEntryOut
from service_kit.schemas import examples


class AccountAuditEntryOut(AuditEntryOut):
    """An entry as in every service, with further members for entries about accounts."""

    model_config = examples(
        EXAMPLE
        | {
            "action": "roles.changed",
            "resource": "account",
            "changes": {"roles": [["User"], ["SubAdmin"]]},
            "subject_id": "01997f3e-1111-7b5e-9d57-0f3a2f9f3c11",
            "address": "192.0.2.7",
            "user_agent": "Mozilla/5.0",
            "session_id": "01997f3e-2222-7b5e-9d57-0f3a2f9f3c11",
            "facts": {"before": ["User"], "after": ["SubAdmin"]},
        }
    )

    action: str = Field(description="what was done")
    subject_id: UUID | None = Field(description="the account that it was done to; null: none, or an unknown one")
    address: str | None = Field(description="the IP address of the request")
    user_agent: str | None
    session_id: UUID | None
    facts: dict[str, Any] = Field(description="details, which depend on the action")
