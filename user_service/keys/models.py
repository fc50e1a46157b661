"""The keys that access tokens are signed with."""

from datetime import datetime

from sqlmodel import Field

from service_kit.clock import utcnow
from user_service.base import Base


class SigningKey(Base, table=True):
    """One RSA key; the newest signs, all are published."""

    __tablename__ = "signing_keys"

    id: str = Field(primary_key=True, description="the `kid`")
    encrypted_private_key: bytes
    created_at: datetime = Field(default_factory=utcnow)
