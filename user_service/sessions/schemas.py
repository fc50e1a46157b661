"""Response bodies of sessions."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from user_service.sessions.models import UserSession, device_of


class SessionOut(BaseModel):
    id: UUID
    device: str = Field(examples=["Firefox on Linux"])
    address: str | None = Field(description="the IP address of its last use", examples=["203.0.113.7"])
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool = Field(description="whether this request belongs to it")

    @classmethod
    def of(cls, session: UserSession, current: UUID | None) -> "SessionOut":
        fields = session.model_dump(exclude={"account_id", "user_agent"})
        return cls(**fields, device=device_of(session.user_agent), current=session.id == current)
